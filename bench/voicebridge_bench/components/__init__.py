"""Component benchmarks: what each part costs on this machine, against targets, as data that can be compared."""
