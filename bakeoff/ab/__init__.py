"""How are two revisions, environments or settings compared? Both measure the same cells in one session, in pairs."""
