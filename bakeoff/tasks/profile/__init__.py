"""A few warm steps under the framework's own profiler, untimed."""
