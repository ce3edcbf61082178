"""SQLite: sessions, utterances, gaps, events, audio."""
