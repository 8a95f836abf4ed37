"""The experiments: one file, one question."""
