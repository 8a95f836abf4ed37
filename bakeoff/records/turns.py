"""Which constants do the two children of a pair share with their parent? Standard library only."""

ROUNDS = 20  # into which the timed steps of a pair are split
TURNS_FDS = "BAKEOFF_TURNS_FDS"  # environment variable: "read,write", file descriptors of the child's ends of the two pipes
