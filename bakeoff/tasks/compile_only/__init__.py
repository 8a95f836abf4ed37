"""A cell compiled for a target that this machine is not."""
