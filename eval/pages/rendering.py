"""Render a page from a template, with the styles and scripts that all pages share.

Everything a model wrote reaches a page as JSON and is shown as text; the Content-Security-Policy in head.html.jinja
forbids loading anything from outside the file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

HERE = Path(__file__).parent
THEME, PARTS = "theme.css", "parts.js"


def inline(names: Sequence[str], folder: Path = HERE) -> Markup:
    """Return the text of styles or scripts, each from `folder` or else from the shared ones."""
    paths = [folder / name if (folder / name).exists() else HERE / name for name in names]
    return Markup("\n".join(path.read_text(encoding="utf-8") for path in paths))


def script_data(value: Any) -> Markup:
    """Return JSON for the page's script; <, > and & become numbers, so that no text can end the script."""
    return htmlsafe_json_dumps(value, allow_nan=False, separators=(",", ":"))


def render(folder: Path, template: str, **values: Any) -> str:
    """Return a page; its template may take head.html.jinja, and gets the shared theme and parts."""
    environment = Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shared = {"theme": inline([THEME]), "parts": inline([PARTS])}
    return environment.get_template(template).render(**shared, **values)
