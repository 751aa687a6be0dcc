"""What became of one model's errors under another: the usual protocol, the fair one, and a small McNemar test."""
