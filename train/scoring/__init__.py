"""Between rollouts and updates: fixed scores, the table, advantages and W."""
