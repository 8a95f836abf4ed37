"""One network for each known way to break graph capture: what breaks, and how each compiler reports it."""
