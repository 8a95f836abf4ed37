"""Shared by all tests: records, fake stacks, and functions that run Bakeoff."""
