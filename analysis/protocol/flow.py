"""Where the items of one model go under another: what became of the errors of both, and their chance level.

The control pairs a model's responses with its own others to the same item: what moves there moves by mere resampling.
It is the mean over all ways of letting some of the responses select the errors and the others try again.

Shapes: I items, S states.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from analysis.errors import CLASSES
from analysis.protocol.small_test import SmallTest, small_test
from analysis.protocol.transitions import NOTHING, RIGHT, Resampling, Share, States, flows, state_names, states_of
from eval.paired import PairedItems, PairedResult, compare_part, with_holm
from eval.statistics import mean_over_items

ALL = "all errors"
FORWARD, AGAIN, BEYOND = "first to second", "first to itself", "beyond resampling"


@dataclass(frozen=True)
class Repair:
    """Of one model's errors of a class: how many are right under the other, and how many by mere resampling."""

    name: str
    items: int  # with at least one such error
    errors: int  # responses
    other: Share
    control: Share
    difference: Share  # other minus control: what cannot be put down to asking again


def repairs(
    states: States, to_other_ISS: np.ndarray, control_ISS: np.ndarray | None, draw: Resampling
) -> list[Repair]:
    """Return one line per class of error and one for all of them."""
    right, found = states.names.index(RIGHT), []
    errors = [n for n in range(len(states.names)) if n != right]
    for name, chosen in [*((states.names[n], [n]) for n in errors), (ALL, errors)]:
        below_I = states.shares_IS[:, chosen].sum(axis=1)
        other_I = to_other_ISS[:, chosen, right].sum(axis=1)
        if control_ISS is None:
            shares = [*draw.ratios(other_I[:, None], below_I, (0, 1)), NOTHING, NOTHING]
        else:
            control_I = control_ISS[:, chosen, right].sum(axis=1)
            shares = draw.ratios(np.stack([other_I, control_I], axis=1), below_I, (0, 1))
            shares += draw.ratios((other_I - control_I)[:, None], below_I, (-1, 1))
        responses = int(np.isin(states.state_Ik, chosen).sum())
        found.append(Repair(name, int((below_I > 0).sum()), responses, *shares))
    return found


def followed(first: States, second: States) -> list[dict]:
    """Return the usual protocol: the errors among the first model's responses k=0, and what the second makes of
    their items.

    Of the second its response k=1 is taken, where there is one: k=0 might share its random numbers with the first's.
    """
    right, lines = first.names.index(RIGHT), []
    before_I, after_I = first.state_Ik[:, 0], second.state_Ik[:, min(1, second.k - 1)]
    errors = [n for n in range(len(first.names)) if n != right]
    for name, chosen in [*((first.names[n], [n]) for n in errors), (ALL, errors)]:
        picked = np.flatnonzero(np.isin(before_I, chosen))
        share = NOTHING
        if len(picked):
            repaired_I = (after_I[picked] == right).astype(float)
            clusters = [first.strata_and_clusters[i] for i in picked]
            found = mean_over_items(repaired_I, clusters)
            share = Share(found.value, found.low, found.high)
        fate = {state: int((after_I[picked] == n).sum()) for n, state in enumerate(second.names)}
        lines.append({"name": name, "items": len(picked), "repaired": share, "fate": fate})
    return lines


def class_lines(first: States, second: States, seed: int) -> list[PairedResult]:
    """Return both models' share of responses in each state, all items pooled, with paired intervals and tests
    (Holm).
    """
    pooled_I, lines = np.full(len(first.column_I), "all items", dtype=object), []
    for n, name in enumerate(first.names):
        shares = (first.shares_IS[:, n], second.shares_IS[:, n])
        items = PairedItems(pooled_I, first.column_I, first.cluster_I, *shares, first.k, second.k)
        lines.append(compare_part(name, items, seed))
    return with_holm(lines)


@dataclass(frozen=True)
class Findings:
    """Everything the page, the JSON and the frames are made of."""

    names: tuple[str, ...]
    items: int
    clusters: int
    k: dict[str, int]
    followed: list[dict]  # the usual protocol
    lines: list[PairedResult]  # share of each state under both models
    forward: list[Repair]  # the first model's errors under the second
    backward: list[Repair]  # the second model's errors under the first
    flow: dict[str, list[list[Share]]]  # comparison -> from -> to, shares of all pairs of responses
    small: SmallTest

    @property
    def control(self) -> str:
        return "resampled" if "resampled" in self.k else "own responses" if AGAIN in self.flow else ""

    def flow_rows(self) -> list[dict]:
        return [
            {"comparison": name, "from": begin, "to": end, **asdict(share)}
            for name, table in self.flow.items()
            for begin, row in zip(self.names, table, strict=True)
            for end, share in zip(self.names, row, strict=True)
        ]

    def repair_rows(self) -> list[dict]:
        rows = [
            {
                "protocol": "usual",
                "errors_of": "first",
                "class": line["name"],
                "items": line["items"],
                "errors": line["items"],
                "measure": "repaired",
                **asdict(line["repaired"]),
            }
            for line in self.followed
        ]
        fair = [("first", line) for line in self.forward] + [("second", line) for line in self.backward]
        return rows + [
            {
                "protocol": "fair",
                "errors_of": errors_of,
                "class": line.name,
                "items": line.items,
                "errors": line.errors,
                "measure": measure,
                **asdict(getattr(line, measure)),
            }
            for errors_of, line in fair
            for measure in ("other", "control", "difference")
        ]

    def record(self) -> dict:
        return asdict(self) | {"control": self.control}


def findings(frames: dict[str, pd.DataFrame], sample: int, seed: int) -> Findings:
    """Return both protocols and the small test on frames of the same items, each with `state` and `misread`."""
    ids = sorted(frames["first"].sample_id.unique())
    names = state_names(list(frames.values()), CLASSES)
    states = {part: states_of(frame, names, ids) for part, frame in frames.items()}
    first, second, draw = states["first"], states["second"], Resampling(states["first"], seed)
    tables = {FORWARD: flows(first, second)}
    if "resampled" in states or first.k > 1:
        tables[AGAIN] = flows(first, states.get("resampled", first))
        tables[BEYOND] = tables[FORWARD] - tables[AGAIN]
    backward_ISS = np.swapaxes(tables[FORWARD], 1, 2)
    read = {part: states_of(frame.assign(state=frame.misread), (False, True), ids) for part, frame in frames.items()}
    return Findings(
        names,
        len(ids),
        len(set(first.strata_and_clusters)),
        {part: one.k for part, one in states.items()},
        followed(first, second),
        class_lines(first, second, seed),
        repairs(first, tables[FORWARD], tables.get(AGAIN), draw),
        repairs(second, backward_ISS, flows(second, second) if second.k > 1 else None, draw),
        {name: flow_shares(table_ISS, draw, name == BEYOND) for name, table_ISS in tables.items()},
        small_test(read["first"], read["second"], sample, seed),
    )


def flow_shares(table_ISS: np.ndarray, draw: Resampling, is_difference: bool) -> list[list[Share]]:
    """Return the mean of each cell over all items, with intervals."""
    items, width, _ = table_ISS.shape
    cells = draw.ratios(table_ISS.reshape(items, -1), np.ones(items), (-1 if is_difference else 0, 1))
    return [cells[start : start + width] for start in range(0, len(cells), width)]
