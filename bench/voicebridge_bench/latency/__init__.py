"""The delay from the true end of speech to the text, through a whole daemon in a process of its own."""
