"""Word error rates by engine, model, detector and noise, and what is heard where nobody speaks."""
