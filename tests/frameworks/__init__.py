"""Tests with real frameworks, or with a browser."""
