"""What every HTML page has in common: it is one file that needs no network and shows all text as text."""

from eval.pages.rendering import inline, render, script_data

__all__ = ["inline", "render", "script_data"]
