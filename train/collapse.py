"""Signs of collapse: the five by which PAPO's authors recognise a run that games its term (their Figure 11).

The perception KL rises many times over, the training reward falls, the fraction clipped above grows, the surprisal
of the clean view first dips and then rises, the surprisal of the corrupted view rises. In the paper's collapsed 7B run
the clipped fraction grows from step 125 on, before the reward falls (near 145).

Those signs compare with a settled run and need 34 steps; a strong coefficient ruins a run in five. `collapse/onset`
needs six steps. It is 1 while the mean reward of the last ONSET rows is at most 75 % of the best mean before, by more
than three standard errors, and the perception KL has tripled or responses run into the length limit; or at most 50 %.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import mean, median

SETTLE = 20  # first rows, in which every curve moves
RECENT = 7  # rows of a window; its median follows a change three rows late
NOISE = 2.0  # a change smaller than so many standard deviations of one row is none
RISES = {  # metric, sign that makes it grow in a collapse, factor, level below which a metric counts as nothing
    "kl_rise": ("actor/kl_prcp_loss", -1.0, 3.0, 0.01),
    "clip_high_rise": ("actor/pg_clipfrac_higher", 1.0, 2.0, 0.0002),
    "masked_entropy_rise": ("actor/masked_entropy_loss", 1.0, 1.5, 0.05),
}
REWARD, REWARD_KEPT = "critic/rewards/mean", 0.95
ENTROPY, DIP, RECOVERY = "actor/entropy_loss", 0.8, 1.5
ONSET = 3  # rows of the short windows
ONSET_KEPT, RUINED_KEPT = 0.75, 0.5  # shares of the best reward
CUT, CUT_RISE = "response_length/clip_ratio", 0.25
ONSET_ERRORS = 3.0


def signals(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """`collapse/<name>` = 0 or 1 for the metrics that a run logs, and `collapse/signals`, how many are 1.

    `history` holds the metric rows of a run, oldest first. Always compared: the median of the last RECENT rows.
    - kl_rise, clip_high_rise, masked_entropy_rise: with the healthy level, the median over the first half of the run
      (its first SETTLE rows left out); 1 when it is 3, 2 or 1.5 times that.
    - reward_fall: with the best median of any earlier window; 1 when less than 95 % of it is left.
    - entropy_dip_and_rise: 1 when some earlier window lay below 80 % of the healthy level and the last one lies 50 %
      above the lowest.
    A change must also exceed NOISE standard deviations of one row, taken from the differences of successive healthy
    rows, so that a trend is not mistaken for noise. All are 0 until SETTLE + 2 RECENT rows are there; a metric that
    the run never logs has no signal.
    """
    found: dict[str, float] = {}
    for name, (metric, sign, factor, floor) in RISES.items():
        values = [sign * row[metric] for row in history if metric in row]
        if values:
            found[name] = float(has_risen(values, factor, floor))
    if rewards := [row[REWARD] for row in history if REWARD in row]:
        found["reward_fall"] = float(has_fallen(rewards))
    if entropies := [row[ENTROPY] for row in history if ENTROPY in row]:
        found["entropy_dip_and_rise"] = float(has_dipped_and_risen(entropies))
    signs = {f"collapse/{name}": value for name, value in found.items()}
    return signs | {"collapse/signals": sum(found.values()), "collapse/onset": float(has_begun(history))}


def has_begun(history: Sequence[Mapping[str, float]]) -> bool:
    """Return whether the reward has fallen far in the last few rows, and why it might have."""
    rewards = [row[REWARD] for row in history if REWARD in row]
    if len(rewards) < 2 * ONSET:
        return False
    means = [mean(rewards[end - ONSET : end]) for end in range(ONSET, len(rewards) + 1)]
    best, recent = max(means[:-ONSET]), means[-1]
    steps = [abs(after - before) for before, after in pairwise(rewards)]
    error = median(steps) / 0.6745 / 2**0.5 / ONSET**0.5
    if best <= 0 or best - recent <= ONSET_ERRORS * error:
        return False
    return recent <= RUINED_KEPT * best or (recent <= ONSET_KEPT * best and has_a_reason(history))


def has_a_reason(history: Sequence[Mapping[str, float]]) -> bool:
    """Return whether the perception KL has tripled or responses are cut that were not before."""
    cuts = [row[CUT] for row in history if CUT in row]
    if len(cuts) > ONSET and mean(cuts[-ONSET:]) - min(cuts[:-ONSET]) >= CUT_RISE:
        return True
    metric, sign, factor, floor = RISES["kl_rise"]
    values = [sign * row[metric] for row in history if metric in row]
    return len(values) > ONSET and mean(values[-ONSET:]) >= factor * max(median(values[:-ONSET]), floor)


def is_early(values: Sequence[float]) -> bool:
    return len(values) < SETTLE + 2 * RECENT


def healthy(values: Sequence[float]) -> Sequence[float]:
    """Return the settled rows of the first half, at least one window of them."""
    return values[SETTLE : max(SETTLE + RECENT, len(values) // 2)]


def noise(values: Sequence[float]) -> float:
    """NOISE standard deviations of one healthy row, from the median step between neighbours."""
    rows = healthy(values)
    steps = [abs(after - before) for before, after in pairwise(rows)]
    return NOISE * median(steps) / 0.6745 / 2**0.5


def windows(values: Sequence[float]) -> list[float]:
    """Medians of every window of settled rows; the last is the recent one."""
    return [median(values[end - RECENT : end]) for end in range(SETTLE + RECENT, len(values) + 1)]


def has_risen(values: Sequence[float], factor: float, floor: float) -> bool:
    if is_early(values):
        return False
    level, recent = max(median(healthy(values)), floor), median(values[-RECENT:])
    return recent >= factor * level and recent - level > noise(values)


def has_fallen(values: Sequence[float]) -> bool:
    if is_early(values):
        return False
    *earlier, recent = windows(values)
    best = max(earlier)
    return recent < best - (1 - REWARD_KEPT) * abs(best) and best - recent > noise(values)


def has_dipped_and_risen(values: Sequence[float]) -> bool:
    if is_early(values):
        return False
    *earlier, recent = windows(values)
    lowest = min(earlier)
    return lowest < DIP * median(healthy(values)) and recent >= RECOVERY * lowest and recent - lowest > noise(values)
