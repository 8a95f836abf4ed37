"""What does the parent process do? It plans a run, prepares it, starts one child after another, and keeps their results."""
