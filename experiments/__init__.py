"""The questions: one file, one question."""
