"""What changed between two runs, and may it be merged? Changes, verdicts, budgets, the gate; also the history of many."""
