"""Composition root, lifecycle, logging and systemd."""
