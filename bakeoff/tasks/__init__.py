"""The kinds of jobs beyond timing: one folder each, with its child function, record and table."""
