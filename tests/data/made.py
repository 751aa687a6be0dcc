"""Problems of the mini world made by hand."""

from data.mini.problem import Draft, Painting, Problem
from data.mini.scene import scene_from


def made(
    facts: dict[str, str], solution: str, pool: dict[str, tuple[str, ...]], given: frozenset = frozenset()
) -> Problem:
    """Return a problem with an empty picture."""
    draft = Draft(
        question="",
        facts=facts,
        solution=solution,
        vision_need="low",
        paint=lambda facts, layout: Painting({}, dict.fromkeys(facts, ())),
        wording="the {name} is {value}",
        fact_pool=pool,
        kind="made",
        given=given,
    )
    return Problem(draft=draft, scene=scene_from({}), evidence=dict.fromkeys(facts, ()), facts=facts)
