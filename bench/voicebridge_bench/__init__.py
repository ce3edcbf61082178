"""voicebridge-bench: what turns claims into figures on the owner's own hardware."""
