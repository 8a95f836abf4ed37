"""What does the framework's own profiler record of a few warm steps?

There is no task.py: no session runs this task, only `bakeoff export --profile`.
"""
