"""Tagged options: `kind` chooses among dataclasses, and its options are checked, filled and built as one piece."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from common import UserError
from configs import command, compose, count_settings, load_resolved, save_resolved, setting


@dataclass(frozen=True)
class Top:
    """Keep the highest scores."""

    kind: Literal["top"] = "top"
    share: float = setting(0.4, "share of tokens")
    score: str = setting("k3", "what is ranked")


@dataclass(frozen=True)
class Gate:
    """Close a gate."""

    kind: Literal["gate"] = "gate"
    weight: float = setting(1.0, "weight")
    level: int = setting(2, "level")


@dataclass
class Schema:
    scale: str = setting("mini", "size")
    method: str = setting("plain", "method")
    weights: dict[str, Top | Gate] = setting(factory=dict, help="weights by name")
    plan: Top | Gate = setting(factory=Top, help="who is asked")
    view: Top | Gate | None = setting(None, "a view")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "configs"
    for name, text in {
        "scales/mini.yaml": "{}\n",
        "methods/plain.yaml": "{}\n",
        "methods/vppo.yaml": "weights: {tokens: {kind: top, share: 0.3}, gate: 0.5}\nplan: gate\n",
        "methods/half.yaml": "based_on: vppo\nweights: {tokens: {share: 0.5}}\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def build(root: Path, *overrides: str) -> Schema:
    return compose(Schema, overrides, root=root)


def test_a_kind_chooses_the_dataclass_and_fills_its_defaults(root: Path) -> None:
    found = build(root, "method=vppo")
    assert found.weights == {"tokens": Top(share=0.3), "gate": Gate(weight=0.5)}
    assert found.plan == Gate() and found.view is None


def test_a_file_changes_options_of_the_piece_it_inherits(root: Path) -> None:
    assert build(root, "method=half").weights["tokens"] == Top(share=0.5)
    assert build(root, "method=vppo", "weights.tokens.score=js").weights["tokens"] == Top(share=0.3, score="js")


def test_another_kind_starts_from_its_own_defaults(root: Path) -> None:
    found = build(root, "method=vppo", "weights.tokens.level=4", "weights.tokens.kind=gate")
    assert found.weights["tokens"] == Gate(level=4)
    assert build(root, "view.kind=gate").view == Gate()
    assert build(root, "method=vppo", "weights.tokens=null").weights == {"gate": Gate(weight=0.5)}


def test_a_key_named_on_is_text(root: Path) -> None:
    (root / "methods/on.yaml").write_text("weights: {on: {kind: top}}\n")
    assert build(root, "method=on").weights == {"on": Top()}
    assert build(root, "weights={on: {kind: gate}}").weights == {"on": Gate()}


def test_settings_with_kinds_are_read_back(root: Path, tmp_path: Path) -> None:
    found = build(root, "method=vppo")
    save_resolved(found, tmp_path / "config.yaml")
    assert load_resolved(Schema, tmp_path / "config.yaml") == found


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("weights.tokens.kind=tpo", ["tpo", "did you mean top?"]),
        ("weights.tokens={kind: top, shares: 0.1}", ["shares", "did you mean 'share'?"]),
        ("weights.tokens.shre=1", ["weights.tokens.shre", "weights.tokens.share"]),
        ("weights.new.share=0.2", ["weights.new", "no kind"]),
        ("weights.tokens={kind: top, share: much}", ["weights.tokens.share", "float"]),
        ("weights.tokens.level=4", ["weights.tokens.level", "no option of kind top"]),
    ],
)
def test_mistakes_name_what_was_meant(root: Path, override: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        build(root, "method=vppo", override)
    assert all(word in str(caught.value) for word in words)


def test_help_lists_a_kind_by_its_name_and_counts_common_settings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(Schema, lambda _: 0, ["--help", "weights"], prog="x", summary="y") == 0
    shown = capsys.readouterr().out
    assert "Keep the highest scores." in shown and "weights.<name>.share" in shown and "weights.<name>.level" in shown
    assert count_settings(Schema) == 5
