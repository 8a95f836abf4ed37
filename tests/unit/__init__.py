"""Tests that start no child process; all of them together take under a minute."""
