"""A/B comparison: two revisions, environments or settings of the same cells, measured in one session."""
