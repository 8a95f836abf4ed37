"""Which results are expected? Known gaps, graph breaks and compiled code, as data in git that a run is checked against."""
