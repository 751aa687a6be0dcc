"""Put what a mini-world picture shows into words, in the forms that its questions use."""

from data.sample import Sample


def in_words(sample: Sample) -> tuple[str, str]:
    """Return question and facts; facts that the question states move to the others, in order."""
    sentences, question = list(sample.columns["sentences"]), sample.question
    if all(one in question for one in sentences):
        return question, ""
    for one in sentences:
        question = question.replace(f"{one} ", "")
    if sample.tags.get("version") == "Vision Only":  # what is asked stands in the picture too
        sentences.append(f"Find the {sample.tags['kind']} .")
    return question, " ".join(sentences)
