"""What does the framework's own profiler record of a few warm steps?"""
