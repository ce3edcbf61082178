"""The commands of voicebridge-bench, one module each."""
