"""Recompute committed results from their committed records."""
