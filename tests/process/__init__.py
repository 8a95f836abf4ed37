"""Tests with fake stacks in child processes, and with the commands as processes."""
