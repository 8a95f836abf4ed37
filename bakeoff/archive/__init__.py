"""Saved runs: read, write, and the formats of older versions."""
