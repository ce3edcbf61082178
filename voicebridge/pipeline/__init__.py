"""The threads and queues between ring and store; sees ports only."""
