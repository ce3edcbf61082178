"""Where processor time goes in a daemon: sampled from outside, by room of the house."""
