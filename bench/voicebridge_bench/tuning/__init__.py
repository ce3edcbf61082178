"""Which settings suit this machine and this voice: many are tried, few are tried long, one is recommended."""
