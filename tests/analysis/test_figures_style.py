"""The figures' style: names as plain text in their place, looks of runs and classes, files; and the command."""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from analysis.figures import (
    PAGE,
    confusion_figure,
    curves_figure,
    errors_figure,
    flow_figure,
    forest_figure,
    png,
    position_figure,
    probes_figure,
    repairs_figure,
    run_looks,
    save,
    share_frame,
    table_figure,
    why_wrong_figure,
    word_class_figure,
)
from analysis.figures.__main__ import main
from analysis.figures.style import (
    DPI,
    FONT,
    HATCHES,
    READABLE,
    STATE_COLOURS,
    contrast,
    display_names,
    ink_on,
    shortened,
    signed,
)
from analysis.protocol.flow import AGAIN, findings
from analysis.protocol.transitions import RIGHT
from analysis.taxonomy import CLASSES
from configs import Run
from tests.analysis.drawings import FIRST, HOSTILE, LONG, MANY, SECOND, frame_of, points, profile, texts


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    yield
    assert plt.get_fignums() == []


def printed(figure: Figure) -> list[Text]:
    """All texts but the labels of ticks beyond the axes' edges, which matplotlib keeps and does not draw."""
    beyond = {
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and text not in beyond]


@cache
def every_figure(names: tuple[str, ...]) -> dict[str, Figure]:
    """Each figure with these names of runs; two of them where it compares two."""
    rng, two = np.random.default_rng(0), (names[0], names[-1])
    states = np.array([RIGHT, *CLASSES, "unclassified", "a class of their own"])
    frames = {name: frame_of(rng.choice(states, (12, 2)).tolist()) for name in names}
    found = findings({"first": frames[two[0]], "second": frames[two[1]]}, 20, 0)
    shares, headings = share_frame(frames), ["geometry", HOSTILE, "overall"]
    ours = pd.DataFrame(
        [
            {"method": name, "heading": heading, "value": 50.0, "low": 40.0, "high": 60.0}
            for name in names
            for heading in headings
        ]
    )
    curves = {name: [pd.DataFrame({"step": range(9), "reward/accuracy": rng.random(9)})] * 2 for name in names}
    rows = pd.DataFrame([points(1.0, -2.0, 4.0, label=name, group=HOSTILE, p=1.0) for name in names])
    positions = {name: profile("position", [0.25, 0.75], [1.0, 2.0]) for name in names}
    words = {name: profile("word_class", ["fact", "other"], [1.0, 2.0]) for name in names}
    probes = pd.DataFrame([{"probe": name, "accuracy": 0.5, "low": 0.4, "high": 0.6, "clean": 0.7} for name in names])
    return {
        "table": table_figure(ours, headings),
        "errors": errors_figure(shares),
        "curves": curves_figure(curves),
        "flow": flow_figure(found, two),
        "itself": flow_figure(found, two, AGAIN),
        "repairs": repairs_figure(found, two),
        "why": why_wrong_figure(found, shares.loc[list(dict.fromkeys(two))], two),
        "position": position_figure(positions, "k3"),
        "words": word_class_figure(words, "k3"),
        "forest": forest_figure(rows),
        "probes": probes_figure(probes),
        "confusion": confusion_figure(pd.DataFrame(np.eye(len(names)), list(names), list(names))),
    }


@pytest.mark.parametrize("names", [("grpo",), MANY])
def test_any_names_stay_plain_text_inside_the_figure(names: tuple[str, ...]) -> None:
    for kind, figure in every_figure(names).items():
        width, height = figure.get_size_inches() * figure.dpi
        for text in printed(figure):
            assert not text.get_parse_math()
            box = text.get_window_extent()
            assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, (kind, text.get_text())
        if HOSTILE not in names:
            continue
        png(figure)  # mathtext would fail on it
        if kind not in ("flow", "itself", "why", "repairs"):  # those show the first and the last
            assert any(HOSTILE in text or shortened(HOSTILE, 16) in text for text in texts(figure)), kind


def test_rows_of_labels_do_not_run_into_each_other() -> None:
    for kind, figure in every_figure(MANY).items():
        for axes in figure.axes:
            boxes = sorted(
                (label.get_window_extent() for label in axes.get_yticklabels() if label.get_text()),
                key=lambda box: box.y0,
            )
            assert all(a.y1 <= b.y0 + 0.5 for a, b in pairwise(boxes)), kind


def test_long_names_are_cut_in_the_middle_and_stay_different() -> None:
    assert shortened("abcdefghij", 7) == "abc…hij" and shortened("a\n b") == "a b"
    names = display_names([LONG, LONG.replace("sweep", "swamp"), "grpo/seed0", ""])
    assert len(set(names)) == 4 and names[2:] == ["GRPO/seed0", "(no name)"]


def test_runs_look_different_and_known_methods_the_same_everywhere() -> None:
    names = ["papo_g/seed0", "papo_g/seed1", "x", "y", "z", "grpo"]
    looks = run_looks(names)
    assert len({look.colour for look in looks.values()}) == len({look.marker for look in looks.values()}) == 6
    assert looks["papo_g/seed0"].colour == run_looks(["grpo", "papo_g"])["papo_g"].colour
    assert looks["grpo"].colour == run_looks(["grpo"])["grpo"].colour


def test_every_class_has_a_colour_and_a_hatch_of_its_own() -> None:
    assert set(CLASSES) <= set(STATE_COLOURS)
    assert len({STATE_COLOURS[name] for name in CLASSES}) == len({HATCHES[name] for name in CLASSES}) == len(CLASSES)


def test_text_on_a_colour_reads() -> None:
    assert contrast("#ffffff", "#000000") == contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the grey that just fails on white
    greys = [f"#{level:02x}{level:02x}{level:02x}" for level in range(256)]
    assert all(contrast(ink_on(colour), colour) >= READABLE for colour in [*STATE_COLOURS.values(), *greys])


def test_png_and_pdf_are_written_with_truetype_fonts(tmp_path: Path) -> None:
    shares = pd.DataFrame({"perception": [0.3], "format": [0.1]}, index=["grpo"])
    paths = save(errors_figure(shares), tmp_path / "figures", "errors")
    assert [path.name for path in paths] == ["errors.png", "errors.pdf"]
    with Image.open(paths[0]) as picture:
        assert picture.width == pytest.approx(PAGE * DPI, abs=1)
    content = paths[1].read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content and FONT.replace(" ", "").encode() in content
    assert save(errors_figure(shares), tmp_path, "again")[1].read_bytes() == content  # nothing in it is of the moment


def test_figures_of_pyplot_are_closed_as_well(tmp_path: Path) -> None:
    assert Image.open(BytesIO(png(plt.figure()))).format == "PNG"
    save(plt.figure(), tmp_path, "one")


def test_figures_that_a_command_writes_bear_it_with_its_commit() -> None:
    run = Run(["python", "-m", "analysis", "table=1"], {}, "0123456789", True, None, "", {}, {}, "", {})
    rows = pd.DataFrame([points(1, 0, 2, label="a", group="", p=1.0)])
    figure, bare = forest_figure(rows), forest_figure(rows)
    with signed(run):
        png(figure)
    png(bare)
    assert figure.get_supxlabel() == "python -m analysis table=1 · commit 0123456 with changes"
    assert bare.get_supxlabel() == ""


def test_the_style_does_not_leak() -> None:
    before = dict(matplotlib.rcParams)
    forest_figure(pd.DataFrame([points(1, 0, 2, label="a", group="", p=1.0)]))
    assert dict(matplotlib.rcParams) == before


# ---- the command


def evaluation(folder: Path, states: list[list[str]]) -> Path:
    """A folder as python -m eval leaves it, as far as the figures read it."""
    frame = frame_of(states).assign(text="", gold="1")
    frame["column"] = ["chart" if item in ("item/0", "item/1") else "logic" for item in frame.sample_id]
    frame = frame.assign(error_class=frame.state.where(frame.state != RIGHT, None)).drop(columns=["state", "misread"])
    folder.mkdir(parents=True)
    frame.to_parquet(folder / "predictions.parquet")
    return folder


def test_the_command_draws_all_figures_of_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluation(tmp_path / "grpo/seed0/eval/mini", FIRST)
    evaluation(tmp_path / "papo_g/seed0/eval/mini", SECOND)
    for seed in (0, 1):
        (tmp_path / f"papo_g/seed{seed}").mkdir(exist_ok=True)
        lines = pd.DataFrame({"step": [1, 2], "reward/accuracy": [0.1, 0.2]}).to_json(orient="records", lines=True)
        (tmp_path / f"papo_g/seed{seed}/metrics.jsonl").write_text(lines)
    out = tmp_path / "figures"
    assert main([f"first={tmp_path}/grpo/seed0", f"second={tmp_path}/papo_g/seed0", f"out={out}"]) == 0
    names = ["accuracy", "curves", "errors", "flow", "forest", "repairs", "why_wrong"]
    assert sorted(path.name for path in out.glob("*.p*")) == sorted(
        f"{n}.{kind}" for n in names for kind in ("pdf", "png")
    )
    record = pd.read_json(out / "figures.json", typ="series")
    assert sorted(record.captions) == names and "GRPO" in record.captions["why_wrong"]
    assert "In the other direction GRPO gets 33.3 [" in record.captions["why_wrong"]  # as worked out for the drawing
    assert len(record.run["revisions"]) == 2
    assert "why_wrong.png" in capsys.readouterr().out


def test_the_command_says_what_it_cannot_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = evaluation(tmp_path / "a", [["right", "right"]] * 4)
    second = evaluation(tmp_path / "b", SECOND)
    assert main([f"first={first}", f"second={second}"]) == 0
    said = capsys.readouterr().out
    assert "repairs: not drawn, a has no error" in said and "curves: not drawn, no training metrics" in said
    assert not (second / "figures" / "repairs.png").exists() and (second / "figures" / "flow.png").exists()
    assert main([f"first={first}", f"second={tmp_path}/nowhere"]) == 2
    assert "there is no folder" in capsys.readouterr().err
