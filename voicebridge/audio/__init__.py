"""Microphone, files, standard input, resampling and the ring."""
