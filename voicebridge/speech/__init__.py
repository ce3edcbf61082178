"""Speech engines and their models."""
