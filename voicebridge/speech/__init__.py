"""Speech engines and their models: what turns an utterance into a transcript."""
