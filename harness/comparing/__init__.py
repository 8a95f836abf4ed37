"""Two runs, or two arms of one, to verdicts: pure functions over what was saved, and the session that measures pairs."""
