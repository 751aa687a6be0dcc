"""Perception-R1's protocol (arXiv 2506.07218): McNemar's test on a few items, with the power that it has.

Shapes: S states.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from analysis.protocol.transitions import States, flows
from common import UserError
from eval.paired import ALPHA, POWER
from eval.statistics import mcnemar_exact

RARE = 1e-17  # tails of a distribution that no result would show


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
        len(drawn),
        int((~before & ~after).sum()),
        test.only_first,
        test.only_second,
        int((before & after).sum()),
        test.p_value,
        broken,
        repaired,
        mcnemar_power(len(drawn), broken, repaired),
        smallest_difference(len(drawn), broken + repaired),
        items_needed(broken, repaired),
    )


def mcnemar_power(items: int, only_first: float, only_second: float) -> float:
    """Chance that the exact two-sided McNemar test at ALPHA rejects, for true shares of the two discordant kinds."""
    discordant = only_first + only_second
    if discordant <= 0:
        return 0.0
    # Of very many items only the discordant counts that can come about are worth their time.
    fewest, most = binom.ppf(RARE, items, discordant), binom.isf(RARE, items, discordant)
    counts = np.arange(max(fewest, 0), most + 1).astype(int)
    edge = binom.ppf(ALPHA / 2, counts, 0.5)
    edge = np.where(binom.cdf(edge, counts, 0.5) > ALPHA / 2, edge - 1, edge)  # the largest count that rejects
    share = only_second / discordant
    given = binom.cdf(edge, counts, share) + binom.sf(counts - edge - 1, counts, share)
    return float(binom.pmf(counts, items, discordant) @ np.where(edge >= 0, given, 0.0))


def smallest_difference(items: int, discordant: float) -> float | None:
    """Return the difference that McNemar's test on `items` sees with probability POWER, at a given share of
    discordant items.

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
