"""What each loss term does to the gradient, and whether it does anything."""
