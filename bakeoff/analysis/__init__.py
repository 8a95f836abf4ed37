"""What follows from the trials of a cell? Validity, steady state, ratios, metrics, cost. Pure functions."""
