"""What runs inside a daemon that is soaked, beside the product's code, to make it fail on demand."""
