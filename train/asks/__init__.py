"""What a plan asks of whom: rows, checklists, and the judge and reader beside the policy."""
