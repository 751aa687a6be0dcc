"""Counterfactual probes: the same items masked, swapped, captioned, with the facts told."""
