"""From problems to a step's experience: plans are driven, responses judged, problems kept or drawn anew."""
