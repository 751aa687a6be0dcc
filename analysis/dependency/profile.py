"""Where in its answers a model leans on the picture: by place in the chain, by kind of word, by how the answer ends.

One tidy row per token (`token_frame`), one function that averages (`profile`), and the usual cuts by name. A mean is
over responses, each first averaged over its own tokens of the group, so that long answers do not outvote short ones;
its 95 % interval is a bootstrap over clusters of items, all their responses together, and is missing where there is
only one cluster. A fall of the mean from the first to the last bin of positions is what papers call visual forgetting.

Kinds of words (`word_class`), each token taking the one of its first character that has one:

| kind | in a chain of the mini world (data/mini/chains.py) | in any other text, later rules over earlier ones |
| --- | --- | --- |
| number | operands and results of the steps | digits, with points and commas inside |
| operation | signs and words of the steps | signs (+ - * / = < > ^ and their like), LaTeX's, words such as "times" |
| fact | the value of a stated fact (`5` in `width = 5`) | words and numbers of a sentence that points at the picture |
| boxed | what the box holds | what the last complete box holds |
| other | names, separators, tags | everything else |
| unreadable | every token of a response that is no chain | never |

A sentence points at the picture if it names it (image, figure, diagram, chart ...) or says that something is shown,
depicted, labelled or seen. These rules for real text are simple and were not measured against human labels.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from analysis.errors import diagnosed, diagnosis
from common import UserError
from data import Sample
from data.mini.chains import CHAIN
from eval.statistics import bootstrap_weights
from models.dependency import ViewScores
from verify import extract_boxed

WORD_CLASSES = ("fact", "operation", "number", "boxed", "other", "unreadable")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
OPERATION = re.compile(
    r"[+*/=×÷·^<>≤≥≈√]|(?<![A-Za-z])[-−]|\\(?:d?frac|times|cdot|div|sqrt|pm|leq?|geq?|approx)(?![A-Za-z])"
    r"|\b(?:plus|minus|times|divided by|multipl\w+|add(?:ed|ing)?|subtract\w*|sum|product|equals)\b",
    re.IGNORECASE,
)
TAG = re.compile(r"</?[A-Za-z]+>|<\|[^|>]*\|>")
SENTENCE = re.compile(r"(?:[^.!?\n]|\.(?=\d))+")
POINTS_AT_PICTURE = re.compile(
    r"\b(?:image|picture|photo\w*|figure|diagram|chart|graph|table|plot|drawing|shown?|shows|depict\w*|label+ed|visible"
    r"|(?:we|i|you) (?:can )?see|seen|observe\w*)\b",
    re.IGNORECASE,
)
Span = tuple[int, int, str]


def chain_spans(text: str) -> list[Span]:
    """Return kinds of the mini world's words; of all characters where the text does not begin with a chain."""
    match = CHAIN.match(text)
    if not match:
        return [(0, len(text), "unreadable")]
    spans: list[Span] = []
    at = match.start(2)
    for number, part in enumerate(match[2].split(" . ")):
        if number == 0 or part.startswith("look : "):
            spans += [(at + m.start(1), at + m.end(1), "fact") for m in re.finditer(r" = (.*?)(?= , |$)", part)]
        else:
            spans.append((at, at + len(part), "operation"))
            spans += [(at + m.start(), at + m.end(), "number") for m in NUMBER.finditer(part)]
        at += len(part) + len(" . ")
    return [*spans, (*match.span(3), "boxed")]


def text_spans(text: str) -> list[Span]:
    """Return kinds of words in any other text; later ones win."""
    spans = [(*m.span(), "number") for m in NUMBER.finditer(text)]
    spans += [(*m.span(), "operation") for m in OPERATION.finditer(text)]
    for sentence in SENTENCE.finditer(text):
        if POINTS_AT_PICTURE.search(sentence[0]):
            words = re.finditer(r"\w+(?:[.,]\d+)*", sentence[0])
            spans += [(sentence.start() + m.start(), sentence.start() + m.end(), "fact") for m in words]
    spans += [(*m.span(), "other") for m in TAG.finditer(text)]
    answer = extract_boxed(text)
    boxes = re.finditer(rf"\\(?:boxed|fbox)\s*\{{\s*({re.escape(answer)})\s*\}}", text) if answer else ()
    return [*spans, *((*m.span(1), "boxed") for m in list(boxes)[-1:])]


def word_classes(texts: Sequence[str], mini: bool) -> list[str]:
    """Return the kind of every token, from what each adds to the text."""
    whole = "".join(texts)
    kinds = np.full(len(whole), "other", dtype=object)
    for start, end, kind in chain_spans(whole) if mini else text_spans(whole):
        kinds[start:end] = kind
    found, at = [], 0
    for text in texts:
        own = [kind for kind, sign in zip(kinds[at : at + len(text)], text, strict=True) if not sign.isspace()]
        found.append(next((kind for kind in own if kind != "other"), "other"))
        at += len(text)
    return found


def error_of(row: Mapping[str, Any], sample: Sample) -> str:
    """`right`, the class of the error, `unclassified` where it was not classified, `unjudged` without a verdict."""
    if pd.isna(row["correct"]):
        return "unjudged"
    if row["correct"]:
        return "right"
    if "error_class" in row:
        return "unclassified" if pd.isna(row["error_class"]) else str(row["error_class"])
    found = diagnosis(sample, row["text"], False)
    return str(found.primary) if found else "unclassified"


def answer_frame(rows: Mapping[int, Mapping[str, Any]], samples: Mapping[str, Sample]) -> pd.DataFrame:
    """Return one row per response, by its number: what all its tokens have in common."""
    columns = {
        "response": list(rows),
        "sample_id": [row["sample_id"] for row in rows.values()],
        "cluster": [row.get("cluster", row["sample_id"]) for row in rows.values()],
        "correct": [row["correct"] for row in rows.values()],
        "error": [error_of(row, samples[row["sample_id"]]) for row in rows.values()],
    }
    return pd.DataFrame(columns)


def score_columns(scores: Sequence[ViewScores]) -> dict[str, np.ndarray]:
    """Return every score that there is, token by token of all responses; not a number where a response lacks one."""
    found = [one.token_scores() for one in scores]
    gaps = [torch.full((len(one.token_ids),), torch.nan) for one in scores]
    names = dict.fromkeys(name for one in found for name in one)
    return {
        name: torch.cat([one.get(name, gap) for one, gap in zip(found, gaps, strict=True)]).numpy() for name in names
    }


def check_frame(rows: Sequence[Mapping[str, Any]], scores: Sequence[ViewScores], texts: Sequence) -> None:
    """Refuse what does not belong together; say how many responses have nothing to profile."""
    if not len(rows) == len(scores) == len(texts):
        raise UserError(f"{len(rows)} responses, {len(scores)} scores and {len(texts)} texts do not belong together")
    for number, (row, scored) in enumerate(zip(rows, scores, strict=True)):
        if row["sample_id"] != scored.sample_id:
            raise UserError(
                f"response {number} answers {row['sample_id']}, its scores {scored.sample_id}; keep the order"
            )
    empty = sum(not scored.token_ids for scored in scores)
    if empty:
        print(
            f"{empty} of {len(scores)} responses have no token; the dependency profile leaves them out",
            file=sys.stderr,
        )
    if empty == len(scores):
        raise UserError("no response has a token, so there is no dependency to profile; sample the responses again")


def token_frame(
    responses: pd.DataFrame,
    samples: Mapping[str, Sample],
    scores: Sequence[ViewScores],
    texts: Sequence[Sequence[str]],
) -> pd.DataFrame:
    """Return one row per token: where it stands, what it is, how its answer ended, and every score that there is.

    `responses` are rows of an evaluation's predictions (sample_id, text, correct; cluster and error_class where they
    have them), `texts` what each token adds to the text (`model.token_texts`). Errors of the mini world are classified
    here where the rows do not bring their class. `position` is the token's middle, from 0 to 1.
    """
    rows = responses.to_dict("records")
    check_frame(rows, scores, texts)
    there = [number for number, scored in enumerate(scores) if scored.token_ids]
    counts = [len(scores[number].token_ids) for number in there]
    chains = [diagnosed(rows[number]["sample_id"]) for number in there]
    kinds = [word_classes(texts[number], own) for number, own in zip(there, chains, strict=True)]
    answers = answer_frame({number: rows[number] for number in there}, samples)
    return (
        answers.loc[answers.index.repeat(counts)]
        .reset_index(drop=True)
        .assign(
            position=np.concatenate([(np.arange(count) + 0.5) / count for count in counts]),
            text=[text for number in there for text in texts[number]],
            word_class=[kind for own in kinds for kind in own],
            **score_columns([scores[number] for number in there]),
        )
    )


def interval(values_R: np.ndarray, cluster_R: np.ndarray, weights_BC: np.ndarray) -> tuple[float, float]:
    """95 % of the means over resampled clusters; resamples without any of these values are left out."""
    if len(set(cluster_R)) < 2:
        return np.nan, np.nan
    sums_C, counts_C = (np.bincount(cluster_R, w, weights_BC.shape[1]) for w in (values_R, np.ones(len(values_R))))
    drawn_B = weights_BC @ counts_C
    low, high = np.quantile((weights_BC @ sums_C)[drawn_B > 0] / drawn_B[drawn_B > 0], [0.025, 0.975])
    return float(low), float(high)


def profile(frame: pd.DataFrame, score: str, by: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Mean score of each group with its interval, and how many responses and tokens it stands on."""
    unknown = [name for name in (score, *by) if name not in frame.columns]
    if unknown:
        raise UserError(f"the token frame has no column '{unknown[0]}'; it has {', '.join(map(str, frame.columns))}")
    grouped = frame.groupby([*by, "response"], observed=True, dropna=False)[score].agg(["mean", "size"])
    means_RG = grouped["mean"].unstack(list(range(len(by))))
    names_R = frame.groupby("response").cluster.first().loc[means_RG.index].astype(str)
    clusters, cluster_R = np.unique(names_R, return_inverse=True)
    weights_BC = bootstrap_weights(np.zeros(len(clusters)), np.arange(len(clusters)), seed).astype(float)
    rows = []
    for key, values_R in means_RG.items():
        there_R = values_R.notna().to_numpy()
        own_R, own_cluster_R = values_R[there_R].to_numpy(dtype=float), cluster_R[there_R]
        low, high = interval(own_R, own_cluster_R, weights_BC)
        names = key if isinstance(key, tuple) else (key,)
        tokens = int(grouped["size"].xs(key, level=list(by) if len(by) > 1 else by[0]).sum())
        rows.append((*names, own_R.mean(), low, high, len(own_R), len(set(own_cluster_R)), tokens))
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "responses", "clusters", "tokens"])


def by_position(
    frame: pd.DataFrame, score: str = "k3", bins: int = 10, by: Sequence[str] = (), seed: int = 0
) -> pd.DataFrame:
    """Along the chain in equal parts, each named by its middle; a short response may have no token in some part."""
    binned = frame.assign(position=(np.floor(frame.position * bins).clip(upper=bins - 1) + 0.5) / bins)
    return profile(binned, score, [*by, "position"], seed)


def by_word_class(frame: pd.DataFrame, score: str = "k3", by: Sequence[str] = (), seed: int = 0) -> pd.DataFrame:
    kinds = pd.Categorical(frame.word_class, WORD_CLASSES, ordered=True)
    return profile(frame.assign(word_class=kinds), score, [*by, "word_class"], seed)


def by_outcome(frame: pd.DataFrame, score: str = "k3", seed: int = 0) -> pd.DataFrame:
    """Right and wrong answers; those without a verdict are a row of their own."""
    named = frame.correct.map({True: "right", False: "wrong"}, na_action="ignore").fillna("unjudged")
    return profile(frame.assign(outcome=named), score, ["outcome"], seed)


def by_error(frame: pd.DataFrame, score: str = "k3", seed: int = 0) -> pd.DataFrame:
    return profile(frame, score, ["error"], seed)
