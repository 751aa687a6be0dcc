"""What a step's answers got right, and why the others are wrong, as far as the data know.

accuracy/<tag>/<value>   mean accuracy of the problems with that tag, where problems carry it
errors/<class>           share of judged answers whose error has the class; only where the source makes its problems
                         itself and so can tell
"""

from collections import Counter, defaultdict

from data import Sample
from data.known import ERRORS
from data.sources import Samples
from models.response import Response
from train.asks.ask import ANSWER
from train.experience import Experience

TAGS = ("hint", "vision_need")


def judged_answers(experience: Experience) -> list[tuple[Sample, Response, float]]:
    """Return the answers that have a verdict, each with its problem and its accuracy."""
    accuracies = experience.accuracy_N.tolist()
    return [
        (block.sample, response, accuracies[row])
        for block in experience.blocks
        if block.role == ANSWER
        for row, response in zip(block.rows, block.responses, strict=True)
        if accuracies[row] == accuracies[row]
    ]


def outcome_metrics(experience: Experience, data: Samples) -> dict[str, float]:
    """Return accuracy by tag and the share of each class of error."""
    answers = judged_answers(experience)
    by_tag: dict[str, list[float]] = defaultdict(list)
    for sample, _, accuracy in answers:
        for tag in TAGS:
            if sample.tags.get(tag):
                by_tag[f"accuracy/{tag}/{sample.tags[tag]}"].append(accuracy)
    found = {name: sum(values) / len(values) for name, values in sorted(by_tag.items())}
    if not data.diagnoses or not answers:
        return found
    wrong = Counter(data.diagnose(sample, one.text).primary for sample, one, accuracy in answers if accuracy < 1)
    return found | {f"errors/{name}": wrong[name] / len(answers) for name in ERRORS}
