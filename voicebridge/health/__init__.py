"""Probes and the health keeper."""
