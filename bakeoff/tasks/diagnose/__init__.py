"""Where and why does the graph of a program break? Found by compiling it once more with collectors enabled."""
