"""Tables of results on the terminal and in Markdown."""
