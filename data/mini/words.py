"""Put what a mini-world picture shows into words, in the forms that its questions use where they have one."""

from data.sample import Sample


def fact_sentences(sample: Sample) -> list[str]:
    """Return the facts, one sentence each."""
    column, kind, sentences = sample.tags["column"], sample.tags.get("kind", ""), []
    for name, value in sample.facts.items():
        if name.endswith("s"):  # circles, squares ...
            sentences.append(f"There are {value} {name} .")
        elif column == "chart":
            sentences.append(f"The {name} bar is {value} .")
        elif column in ("counting", "word", "subject") and kind != "physics":
            sentences.append(f"There are {value} {name} objects .")
        else:
            sentences.append(f"The {name} is {value} .")
    return sentences


def in_words(sample: Sample) -> tuple[str, str]:
    """Return question and facts; facts that the question states move to the others, in order."""
    sentences, question = fact_sentences(sample), sample.question
    if all(sentence in question for sentence in sentences):
        return question, ""
    for sentence in sentences:
        question = question.replace(f"{sentence} ", "")
    if sample.tags.get("version") == "Vision Only":  # what is asked stands in the picture too
        sentences.append(f"Find the {sample.tags['kind']} .")
    return question, " ".join(sentences)
