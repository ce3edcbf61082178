"""How quick text is: against plain faster-whisper, with and without what makes it quick, all in one run."""
