"""The owner's own voice in the owner's own room, as a corpus for latency, accuracy and tune."""
