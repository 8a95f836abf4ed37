"""What this machine would do to a measurement, and what is installed on it."""
