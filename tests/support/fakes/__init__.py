"""Models and stacks that need no framework; many contain a planted fault: they cheat, crash or hang."""
