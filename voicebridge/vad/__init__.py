"""Voice activity detection and the segmenter."""
