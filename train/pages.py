"""`python -m train.pages` writes docs/methods: a page per method, from its YAML, its pieces and committed results."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from configs import compose, exit_status
from configs.compose import ROOT
from train.listing import COST, ENGAGES, HEADER, PASSES, TRUTHS, Listed, cells, methods
from train.page_results import results_of
from train.settings import TrainSettings

FOLDER = ROOT.parent / "docs" / "methods"
HEAD = "<!-- written by python -m train.pages from configs/methods, the pieces and the results of studies -->\n"


def yaml_parts(name: str) -> tuple[str, str]:
    """Return a method's file as its comment, in one paragraph, and its settings."""
    lines = (ROOT / "methods" / f"{name}.yaml").read_text().splitlines()
    head = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    comment = " ".join(line.removeprefix("#").strip() for line in lines[:head])
    settings, inside = list[str](), False
    for line in lines[head:]:
        inside = line.startswith("about:") or (inside and line.startswith(" "))  # with the lines indented under it
        settings += [] if inside else [line]
    return comment, "\n".join(settings)


def pieces(settings: TrainSettings) -> Iterator[tuple[str, Any]]:
    """Yield the place of every piece that says what a method computes, with the piece."""
    yield "rollouts.plan", settings.rollouts.plan
    for sort in ("rewards", "weights"):
        for name, piece in getattr(settings, sort).items():
            yield f"{sort}.{name}", piece
    for term in settings.losses.enabled():
        yield f"losses: {', '.join(term.emits)}", term


def module_text(piece: Any) -> str:
    """Return the docstring of a piece's file, its formulas kept as they are indented."""
    return str(sys.modules[type(piece).__module__].__doc__ or "").strip()


def page(one: Listed) -> str:
    """Return a method's page."""
    comment, yaml = yaml_parts(one.method)
    settings = compose(TrainSettings, [f"method={one.method}", "scale=3b", "teacher=tiny"])
    left_out = [f"Left out: {one.left_out}.", ""] if one.left_out else []
    parts = [
        HEAD + f"# {one.method}",
        "",
        comment,
        "",
        f"Source: {one.paper}. Truth: {one.truth}, {TRUTHS[one.truth]}.",
        *left_out,
        f"Passes beyond the base recipe: {one.passes}; cost of a step: {one.cost}.",
        *([f"Engages: {one.engages}."] if one.engages != "-" else []),
        "",
        "```bash",
        f"python -m train method={one.method} scale=mini seed=0",
        f"python -m train.objective method={one.method} tensors=in.safetensors out=out.safetensors",
        "```",
        "",
        "```yaml",
        yaml.strip(),
        "```",
    ]
    seen: set[str] = set()
    for place, piece in pieces(settings):
        text = module_text(piece)
        if text not in seen:
            parts += ["", f"## {place}", "", text]
        seen.add(text)
    return "\n".join([*parts, *results_of(one.method)]) + "\n"


def index(listed: list[Listed]) -> str:
    """Return the list of all pages."""
    lines = ((f"[{one.method}]({one.method}.md)", *cells(one)[1:]) for one in listed)
    rows = [f"| {' | '.join(line)} |" for line in (HEADER, ["---"] * len(HEADER), *lines)]
    meanings = [f"- {truth}: {meaning}" for truth, meaning in TRUTHS.items()]
    notes = [f"- {PASSES}.", f"- {COST}.", f"- {ENGAGES}."]
    return "\n".join([HEAD + "# Methods", "", *rows, "", *notes, *meanings]) + "\n"


def pages() -> dict[Path, str]:
    """Return every page by its path."""
    listed = methods()
    return {FOLDER / "README.md": index(listed)} | {FOLDER / f"{one.method}.md": page(one) for one in listed}


def main() -> None:
    """Write all pages and remove those of methods that are gone."""
    found = pages()
    for path in set(FOLDER.glob("*.md")) - found.keys():
        path.unlink()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in found.items():
        path.write_text(text)
    print(f"{len(found)} pages in docs/methods")


if __name__ == "__main__":
    sys.exit(exit_status(main, "python -m train.pages"))
