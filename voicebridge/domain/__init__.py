"""Plain data and ports: what the parts say to each other."""
