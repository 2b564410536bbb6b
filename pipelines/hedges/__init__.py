"""The futures sleeve as pure functions: hedges, liquidity shorts, tactical longs, budgets, scenarios."""
