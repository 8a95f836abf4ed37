"""One model for each known way to break graph capture. experiments/test_gallery.py checks how each compiler reports it."""
