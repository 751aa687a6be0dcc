"""How well a model answers: benchmarks, the runner, avg@k with intervals."""
