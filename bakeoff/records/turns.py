"""What do the children of a pair and their parent agree on beforehand? Standard library only."""

ROUNDS = 20  # of a pair's timed steps
TURNS_FDS = "BAKEOFF_TURNS_FDS"  # "read,write": in a child's environment, its ends of the pipes
