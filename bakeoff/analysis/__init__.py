"""Pure functions of trials: validity, steady state, ratios, metrics, cost."""
