"""What is kept: cells, trials, measurements, diagnostics, and what a child is asked for. Standard library only."""
