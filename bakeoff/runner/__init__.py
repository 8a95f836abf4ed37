"""The parent process: which cells, one child after another, what is prepared once, what is kept on disk."""
