"""What is measured on: folders of recordings, noise and music made by seed, and hearing without a clock."""
