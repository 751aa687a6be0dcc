"""What pieces read: names of scores, and the table of a step."""
