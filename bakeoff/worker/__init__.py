"""The child process: build, compile, clock, measure, check. Standard library, numpy, and one framework."""
