"""Two runs: changes, verdicts, budgets, the gate, and the history of many."""
