"""What a run looks like while it learns: one list of panels, drawn as a local page or as a W&B workspace."""
