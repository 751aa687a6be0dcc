"""The verdict on one response to a sample; training and evaluation ask for it in the same way."""

from data import Sample
from verify import Verdict, grade


def grade_sample(sample: Sample, text: str, grader: str) -> Verdict:
    """Grade a response with everything the sample says about its answer."""
    return grade(text, sample.answer, choices=sample.choices or None, task_type=sample.answer_type, grader=grader)
