"""Give the state of every response: right, or the class of its error, from wherever classes can be had."""

import pandas as pd

from analysis.errors import diagnoses, has_classes
from analysis.protocol.transitions import RIGHT, UNCLASSIFIED, WRONG


def classified(frames: dict[str, pd.DataFrame], names: dict[str, str]) -> tuple[dict[str, pd.DataFrame], str]:
    """Return the frames with `state` and `misread`, and a sentence on where the classes come from.

    `misread` is what Perception-R1 labels: whether a response reads the picture wrongly, right or wrong as it may be.
    """
    if all("error_class" in frame for frame in frames.values()):
        for part, frame in frames.items():
            classes = frame.error_class.astype(object).where(frame.error_class.notna(), UNCLASSIFIED)
            state = classes.where(~frame.correct.astype(bool), RIGHT)
            frames[part] = frame.assign(state=state, misread=state == "perception")
        unknown = sum(int((frame.state == UNCLASSIFIED).sum()) for frame in frames.values())
        left = f"; {unknown} wrong responses have none and count as {UNCLASSIFIED}" if unknown else ""
        return frames, f"Classes: the column error_class of the predictions{left}."
    if all("text" in frame and has_classes(frame) for frame in frames.values()):
        for part, frame in frames.items():
            found = diagnoses(frame)
            misread = [not all(fact.ok for fact in one.facts) for one in found]
            frames[part] = frame.assign(state=[one.primary or RIGHT for one in found], misread=misread)
        return frames, "Classes: by construction, from known facts (python -m analysis errors)."
    for part, frame in frames.items():
        wrong = ~frame.correct.astype(bool)
        frames[part] = frame.assign(state=wrong.map({True: WRONG, False: RIGHT}), misread=wrong)
    having = [names[part] for part, frame in frames.items() if "error_class" in frame]
    only = f" (only {', '.join(having)} has one)" if having else ""
    return frames, (
        f"Classes: none. These predictions have no column error_class{only}, so errors are only counted as wrong."
    )
