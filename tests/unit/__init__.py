"""Tests that start no child process; all of them together take less than a minute."""
