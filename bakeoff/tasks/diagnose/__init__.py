"""Where and why a program breaks: the same program once more, with collectors on."""
