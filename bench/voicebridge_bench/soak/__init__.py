"""The soak: hours of the whole daemon under a load of its own, written down line by line, and judged afterwards."""
