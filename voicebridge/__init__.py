"""Voicebridge: one Linux process that turns a microphone into text that can be relied on."""

__version__ = "0.1.0"
