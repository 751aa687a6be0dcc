"""Recompute the numbers that the paper prints from other numbers that it prints."""
