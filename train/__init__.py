"""How a policy learns: rollouts, rewards, advantages, losses, the loop, checkpoints."""
