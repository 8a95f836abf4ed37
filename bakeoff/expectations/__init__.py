"""Data in git that a run is checked against: known gaps, graph breaks, compiled code."""
