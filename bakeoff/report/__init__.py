"""A run as one HTML page, and as TensorBoard event files."""
