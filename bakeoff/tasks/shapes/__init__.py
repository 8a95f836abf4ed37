"""A series of shapes through one compiled program."""
