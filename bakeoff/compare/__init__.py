"""What changed between two runs, and may it be merged? Changes, verdicts, budgets and the gate; also the history of many runs."""
