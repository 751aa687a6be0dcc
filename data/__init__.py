"""What a problem is: samples, where they come from, what can be done to their pictures."""

from data.sample import IMAGE_PLACEHOLDER, Sample

__all__ = ["IMAGE_PLACEHOLDER", "Sample"]
