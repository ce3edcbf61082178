"""How the model `whisper-commands` was made: sentences, synthesised speech, network, training, export."""
