"""What the instrument itself costs."""
