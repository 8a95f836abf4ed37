"""Models and stacks that need no framework; some of them cheat, crash or hang by declaration."""
