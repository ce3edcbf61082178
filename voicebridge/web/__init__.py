"""HTTP: status, metrics, transcripts and events, and the dashboard."""
