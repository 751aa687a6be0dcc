"""`python -m train method=list`: every method with paper, pieces, passes, measured cost, how sure we are, effect."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import UserError, did_you_mean
from configs import compose
from configs.compose import ROOT
from configs.groups import ABOUT, read_yaml
from train.needs import needs_of
from train.settings import TrainSettings
from train.table.columns import CLEAN, POLICY, REFERENCE, TEACHER

TRUTHS = {
    "code": "equal to the authors' code, but for what is left out",
    "paper": "from the paper's text",
    "second-hand": "from formulas that others report",
    "reading": "our reading where sources are silent",
    "idea": "an idea of ours in the place of what a paper does",
    "control": "a control of ours",
}
HEADER = ("method", "paper", "pieces", "extra passes", "cost", "truth", "engages")
VERDICTS = ROOT.parent / "bench" / "engages"  # written by bench.engages
ABOUT_KEYS = ("paper", "truth", "left_out", "engages")
COSTS = ROOT.parent / "bench" / "cost.json"  # written by bench.cost
ENGAGES = (
    "engages: does the metric that its YAML names go the meant way in every seed, and the other way with the sign "
    "turned? (python -m bench.engages); -: it names none"
)
PASSES = "extra passes: of a step, beyond plain sampling and update; counted from the pieces"
COST = (
    "cost: CPU time of a step at mini scale over that of the recipe it stands on, measured; in brackets what its "
    "passes come to by arithmetic (python -m bench.cost)"
)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One line of the list."""

    method: str
    paper: str
    pieces: str
    passes: str
    cost: str
    truth: str
    left_out: str
    engages: str


def methods() -> list[Listed]:
    """Return all methods in the order of their names."""
    found = []
    for path in sorted((ROOT / "methods").glob("*.yaml")):
        about = about_of(path)
        settings = compose(TrainSettings, [f"method={path.stem}", "scale=3b", "teacher=tiny"])
        found.append(
            Listed(
                method=path.stem,
                paper=about.get("paper", "-"),
                pieces=pieces_of(settings),
                passes=passes_of(settings),
                cost=cost_of(path.stem),
                truth=about.get("truth", "-"),
                left_out=about.get("left_out", ""),
                engages=engages_of(path.stem, about.get("engages")),
            )
        )
    return found


def about_of(path: Path) -> dict[str, Any]:
    """Return what a method's file says of itself; refuse what the list could not show."""
    about: dict[str, Any] = read_yaml(path, path.name).get(ABOUT) or {}
    for name in about:
        if name not in ABOUT_KEYS:
            raise UserError(f"about of {path.name} has no '{name}'; {did_you_mean(name, ABOUT_KEYS)}")
    if (truth := about.get("truth")) and truth not in TRUTHS:
        raise UserError(f"about.truth of {path.name} is '{truth}'; use one of {', '.join(TRUTHS)}")
    claim = about.get("engages")
    if claim and (set(claim) != {"metric", "way", "coef"} or claim["way"] not in ("up", "down")):
        raise UserError(
            f"about.engages of {path.name} needs metric, way (up or down) and coef (a setting, or a list of them), "
            "and nothing else"
        )
    return about


def cost_of(method: str, path: Path = COSTS) -> str:
    """Return what a method's step was measured to cost over its recipe's, in words."""
    found = json.loads(path.read_text(encoding="utf-8"))["methods"] if path.exists() else {}
    if not (one := found.get(method)):
        return "not measured"
    passes = f" (passes: {one['counted']:.2f})" if "counted" in one else ""
    return f"{one['ratio']:.2f} x {one['over']}{passes}"


def engages_of(method: str, claim: Any, folder: Path = VERDICTS) -> str:
    """Return the recorded verdict in words: in how many seeds the metric went the meant way, with either sign."""
    if not claim:
        return "-"
    path = folder / f"{method}.json"
    if not path.exists():
        return f"{claim['metric']} {claim['way']}: not run"
    found = json.loads(path.read_text(encoding="utf-8"))
    seeds, ways = len(found["seeds"]), [found[name]["right_way"] for name in ("with", "turned")]
    said = "yes" if ways == [seeds, seeds] else "no"
    return (
        f"{claim['metric']} {claim['way']}: {said}, {ways[0]} and {ways[1]} of {seeds} seeds, {found['steps']} steps"
    )


def pieces_of(settings: TrainSettings) -> str:
    """Return the kinds of plan, rewards, weights and terms that differ from plain GRPO's."""
    plan = [settings.rollouts.plan.kind] if settings.rollouts.plan.kind != "plain" else []  # type: ignore[attr-defined]
    rewards = [piece.kind for piece in settings.rewards.values()]  # type: ignore[attr-defined]
    terms = [name for term in settings.losses.enabled() for name in term.emits[-1:]]
    weights = [piece.kind for piece in settings.weights.values()]  # type: ignore[attr-defined]
    views = [f"{name}={view.kind}" for name, view in settings.views.items()]
    parts = {
        "plan": plan,
        "views": views,
        "rewards": [kind for kind in rewards if kind not in ("accuracy", "format")],
        "weights": weights,
        "terms": [name for name in terms if name != "ppo"],
    }
    return "; ".join(f"{sort} {', '.join(names)}" for sort, names in parts.items() if names) or "ppo alone"


def passes_of(settings: TrainSettings) -> str:
    """Return the passes of a step beyond sampling, the update and the old log-probs of later mini-batches."""
    needs = needs_of(settings)
    live = needs.live_views()
    views = set(needs.views_of(POLICY)) - {CLEAN}
    found = ["old log-probs of all"] if needs.old_of_all() else []
    found += [REFERENCE] if needs.of(REFERENCE) else []
    found += [f"{view}, per response" if per_response(settings, view) else view for view in sorted(views)]
    found += [f"{view} with gradient" for view in live]
    found += [f"{TEACHER} {view}" for view in needs.views_of(TEACHER)]
    found += [f"{TEACHER} {view} in the update" for view in needs.teacher_views()]
    return ", ".join(found) or "none"


def per_response(settings: TrainSettings, view: str) -> bool:
    return settings.views[view].draw == "per_response"


def cells(one: Listed) -> tuple[str, ...]:
    """Return a line of the list, as HEADER names its columns."""
    return one.method, one.paper, one.pieces, one.passes, one.cost, one.truth, one.engages


def list_methods() -> int:
    """Print the list as a table."""
    rows = [HEADER, *(cells(one) for one in methods())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\n{PASSES}\n{COST}\n{ENGAGES}")
    for truth, meaning in TRUTHS.items():
        print(f"{truth}: {meaning}")
    return 0
