"""What does a child process do? It builds, compiles, times and checks one cell. Standard library, numpy and one framework."""
