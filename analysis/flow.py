"""Where the items of one model go under another: flows between right and the classes of error, and their chance level.

A state is `right` or a class of error. With several responses per item every response of the first model is paired
with every response of the second that has another number, so nothing is decided by one throw. (Evaluations with one
seed draw responses of the same number with the same random numbers; such pairs agree more often than two throws do.)
The control pairs a model's responses with its own others to the same item: what moves there moves by mere resampling.
It is the mean over all ways of letting some of the responses select the errors and the others try again.

Shapes: I items, k responses, S states, B resamples of clusters, X any values per item.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import binom
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from analysis.errors import CLASSES
from configs import UserError
from eval.paired import ALPHA, POWER, PairedItems, PairedResult, compare_part
from eval.statistics import (
    BOOTSTRAPS,
    ROUNDING,
    bootstrap_weights,
    effective_clusters,
    mcnemar_exact,
    mean_variance,
    share_interval,
)

RIGHT, WRONG, UNCLASSIFIED, ALL = "right", "wrong", "unclassified", "all errors"
FORWARD, AGAIN, BEYOND = "first to second", "first to itself", "beyond resampling"
RESAMPLES_AT_ONCE = 250
EDGES = (0.025, 0.975)


@dataclass(frozen=True)
class States:
    """The state of every response: items in one order for all models, responses in that of their numbers."""

    names: tuple[str, ...]
    state_Ik: np.ndarray  # numbers into `names`
    column_I: np.ndarray
    cluster_I: np.ndarray

    @property
    def k(self) -> int:
        return self.state_Ik.shape[1]

    @property
    def is_in_IkS(self) -> np.ndarray:
        return (self.state_Ik[:, :, None] == np.arange(len(self.names))).astype(float)

    @property
    def shares_IS(self) -> np.ndarray:
        return self.is_in_IkS.mean(axis=1)

    @property
    def strata_and_clusters(self) -> list[str]:
        return [f"{column}\n{cluster}" for column, cluster in zip(self.column_I, self.cluster_I, strict=True)]


@dataclass(frozen=True)
class Share:
    """A share, or a difference of shares, with its 95 % interval; None where nothing could be counted."""

    value: float | None
    low: float | None
    high: float | None

    def record(self) -> dict:
        return asdict(self)


NOTHING = Share(None, None, None)


def state_names(frames: Sequence[pd.DataFrame], order: Sequence[str]) -> tuple[str, ...]:
    """`right`, then the classes that occur: known ones in their order, others by name."""
    found = set().union(*(frame.state.unique() for frame in frames)) - {RIGHT}
    return (RIGHT, *(name for name in order if name in found), *sorted(found - set(order)))


def states_of(frame: pd.DataFrame, names: Sequence, ids: Sequence[str]) -> States:
    """The states of a frame with columns sample_id, k, state, column, cluster; every item has all its k."""
    number = frame.state.map({name: n for n, name in enumerate(names)})
    table = frame.assign(number=number).pivot(index="sample_id", columns="k", values="number").loc[ids]
    if table.isna().any().any():
        raise UserError(f"items have responses of different numbers, not all {list(table.columns)}; evaluate again")
    items = frame.drop_duplicates("sample_id").set_index("sample_id").loc[ids]
    columns, clusters = (items[name].astype(str).to_numpy(dtype=object) for name in ("column", "cluster"))
    return States(tuple(names), table.to_numpy(dtype=int), columns, clusters)


def flows(first: States, second: States) -> np.ndarray:
    """Per item the share of pairs of responses that go from each state to each, [I, S, S].

    Pairs of the same number are left out; with one response each there is no other pair.
    """
    begin_IkS, end_IkS = first.is_in_IkS, second.is_in_IkS
    pairs_ISS = np.einsum("iks,ilt->ist", begin_IkS, end_IkS, optimize=True)
    common = min(first.k, second.k)
    if first.k * second.k == 1:
        return pairs_ISS
    pairs_ISS -= np.einsum("iks,ikt->ist", begin_IkS[:, :common], end_IkS[:, :common], optimize=True)
    return pairs_ISS / (first.k * second.k - common)


class Resampling:
    """One draw of clusters for all numbers of a page, so that differences between them are paired."""

    def __init__(self, states: States, seed: int) -> None:
        self.weights_BI = bootstrap_weights(states.column_I, states.cluster_I, seed)
        self.names = states.strata_and_clusters

    def sums(self, values_IX: np.ndarray) -> np.ndarray:
        """Sums over the items of every resample, [B, X]."""
        starts = range(0, BOOTSTRAPS, RESAMPLES_AT_ONCE)  # integer weights become floats, so a part at a time
        parts = [self.weights_BI[start : start + RESAMPLES_AT_ONCE].astype(float) @ values_IX for start in starts]
        return np.concatenate(parts)

    def ratios(self, above_IX: np.ndarray, below_I: np.ndarray, bounds: tuple[float, float]) -> list[Share]:
        """Sum of each column over the sum of `below`, with intervals; `bounds` hold the widened ones."""
        total = float(below_I.sum())
        if total <= 0:
            return [NOTHING] * above_IX.shape[1]
        below_B = self.sums(below_I[:, None])
        resampled_BX = np.divide(
            self.sums(above_IX), below_B, where=below_B > 0, out=np.full((BOOTSTRAPS, above_IX.shape[1]), np.nan)
        )
        lows, highs = np.nanquantile(resampled_BX, EDGES, axis=0)
        # Resamples that all agree have no width; Wilson's interval at 0 % lends its own.
        margin = float(proportion_confint(0, effective_clusters(below_I, self.names), method="wilson")[1])
        found = []
        for value, low, high in zip(above_IX.sum(axis=0) / total, lows, highs, strict=True):
            if high - low < ROUNDING:
                low, high = max(bounds[0], value - margin), min(bounds[1], value + margin)
            found.append(Share(float(value), float(low), float(high)))
        return found


@dataclass(frozen=True)
class Repair:
    """Of one model's errors of a class: how many are right under the other, and how many by mere resampling."""

    name: str
    items: int  # with at least one such error
    errors: int  # responses
    other: Share
    control: Share
    difference: Share  # other minus control: what cannot be put down to asking again

    def record(self) -> dict:
        return asdict(self)


def repairs(
    states: States, to_other_ISS: np.ndarray, control_ISS: np.ndarray | None, draw: Resampling
) -> list[Repair]:
    """One line per class of error and one for all of them."""
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
    """The usual protocol: the errors among the first model's responses k=0, and what the second makes of their items.

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
            low, high = share_interval(repaired_I, clusters, mean_variance(repaired_I, clusters))
            share = Share(float(repaired_I.mean()), low, high)
        fate = {state: int((after_I[picked] == n).sum()) for n, state in enumerate(second.names)}
        lines.append({"name": name, "items": len(picked), "repaired": share, "fate": fate})
    return lines


def mcnemar_power(items: int, only_first: float, only_second: float) -> float:
    """Chance that the exact two-sided McNemar test at ALPHA rejects, for true shares of the two discordant kinds."""
    discordant = only_first + only_second
    if discordant <= 0:
        return 0.0
    counts = np.arange(items + 1)
    edge = binom.ppf(ALPHA / 2, counts, 0.5)
    edge = np.where(binom.cdf(edge, counts, 0.5) > ALPHA / 2, edge - 1, edge)  # the largest count that rejects
    share = only_second / discordant
    given = binom.cdf(edge, counts, share) + binom.sf(counts - edge - 1, counts, share)
    return float(binom.pmf(counts, items, discordant) @ np.where(edge >= 0, given, 0.0))


def smallest_difference(items: int, discordant: float) -> float | None:
    """The difference that McNemar's test on `items` sees with probability POWER, at a given share of discordant items.

    Where even repairs alone would be too few, the share itself has to grow until repairs alone are enough; None where
    there are too few items for any difference.
    """
    if mcnemar_power(items, 0, 1) < POWER:
        return None
    low, high = 0.0, discordant
    if mcnemar_power(items, 0, discordant) < POWER:
        low, high = discordant, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        total = max(discordant, middle)
        enough = mcnemar_power(items, (total - middle) / 2, (total + middle) / 2) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high


def items_needed(only_first: float, only_second: float, most: int = 100_000) -> int | None:
    """About how many items McNemar's test needs for these shares; None above `most` or without a difference."""
    low, high = 1, 2
    while mcnemar_power(high, only_first, only_second) < POWER:
        low, high = high, 2 * high
        if high > most:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if mcnemar_power(middle, only_first, only_second) >= POWER else (middle, high)
    return high


@dataclass(frozen=True)
class SmallTest:
    """Perception-R1's protocol (arXiv 2506.07218): McNemar on a few items, and what such a test could have seen.

    `broken` items are misread by the second model only, `repaired` ones by the first only.
    """

    items: int
    both_fine: int
    broken: int
    repaired: int
    both_misread: int
    p_value: float
    broken_share: float  # over all items and all pairs of responses
    repaired_share: float
    power: float  # to see that difference with so few items
    smallest_difference: float | None
    items_needed: int | None


def small_test(first: States, second: States, items: int, seed: int) -> SmallTest:
    """Draw the items, take one response each, test; the states are 0 (fine) and 1 (misread).

    The power comes from the flows over all responses of all items.
    """
    if items < 1:
        raise UserError(f"a McNemar test on sample={items} items shows nothing; give at least 1")
    drawn = np.random.default_rng(seed).permutation(len(first.state_Ik))[:items]
    before, after = first.state_Ik[drawn, 0] == 1, second.state_Ik[drawn, min(1, second.k - 1)] == 1
    test = mcnemar_exact(~before, ~after)
    flow_SS = flows(first, second).mean(axis=0)
    broken, repaired = float(flow_SS[0, 1]), float(flow_SS[1, 0])
    return SmallTest(
        len(drawn), int((~before & ~after).sum()), test.only_first, test.only_second, int((before & after).sum()),
        test.p_value, broken, repaired, mcnemar_power(len(drawn), broken, repaired),
        smallest_difference(len(drawn), broken + repaired), items_needed(broken, repaired),
    )  # fmt: skip


def class_lines(first: States, second: States, seed: int) -> list[PairedResult]:
    """Both models' share of responses in each state, all items pooled, with paired intervals and tests (Holm)."""
    pooled_I, lines = np.full(len(first.column_I), "all items", dtype=object), []
    for n, name in enumerate(first.names):
        shares = (first.shares_IS[:, n], second.shares_IS[:, n])
        items = PairedItems(pooled_I, first.column_I, first.cluster_I, *shares, first.k, second.k)
        lines.append(compare_part(name, items, seed))
    tests = ([line.p_difference for line in lines], [line.p_mcnemar for line in lines])
    differences, mcnemars = (multipletests(test, alpha=ALPHA, method="holm")[1] for test in tests)
    return [
        replace(line, p_difference_holm=float(difference), p_mcnemar_holm=float(mcnemar))
        for line, difference, mcnemar in zip(lines, differences, mcnemars, strict=True)
    ]


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
            {"comparison": name, "from": begin, "to": end, **share.record()}
            for name, table in self.flow.items()
            for begin, row in zip(self.names, table, strict=True)
            for end, share in zip(self.names, row, strict=True)
        ]

    def repair_rows(self) -> list[dict]:
        rows = [{"protocol": "usual", "errors_of": "first", "class": line["name"], "items": line["items"],
                 "errors": line["items"], "measure": "repaired", **line["repaired"].record()}
                for line in self.followed]  # fmt: skip
        fair = [("first", line) for line in self.forward] + [("second", line) for line in self.backward]
        return rows + [
            {"protocol": "fair", "errors_of": errors_of, "class": line.name, "items": line.items,
             "errors": line.errors, "measure": measure, **getattr(line, measure).record()}
            for errors_of, line in fair for measure in ("other", "control", "difference")
        ]  # fmt: skip

    def record(self) -> dict:
        return asdict(self) | {"control": self.control}


def findings(frames: dict[str, pd.DataFrame], sample: int, seed: int) -> Findings:
    """Both protocols and the small test on frames of the same items, each with `state` and `misread`."""
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
        names, len(ids), len(set(first.strata_and_clusters)), {part: one.k for part, one in states.items()},
        followed(first, second), class_lines(first, second, seed),
        repairs(first, tables[FORWARD], tables.get(AGAIN), draw),
        repairs(second, backward_ISS, flows(second, second) if second.k > 1 else None, draw),
        {name: flow_shares(table_ISS, draw, name == BEYOND) for name, table_ISS in tables.items()},
        small_test(read["first"], read["second"], sample, seed),
    )  # fmt: skip


def flow_shares(table_ISS: np.ndarray, draw: Resampling, is_difference: bool) -> list[list[Share]]:
    """The mean of each cell over all items, with intervals."""
    items, width, _ = table_ISS.shape
    cells = draw.ratios(table_ISS.reshape(items, -1), np.ones(items), (-1 if is_difference else 0, 1))
    return [cells[start : start + width] for start in range(0, len(cells), width)]
