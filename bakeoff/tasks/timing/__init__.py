"""The matrix: every cell timed, or compiled for the target that was asked for."""
