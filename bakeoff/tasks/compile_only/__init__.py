"""What does a cell compile to for a target that this machine does not have?

There is no task.py: with --target, the task `timing` runs this child instead of the one that times a cell.
"""
