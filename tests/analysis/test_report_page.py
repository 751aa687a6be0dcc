"""The HTML report as a file: nothing leaks out of it, nothing hostile is markup, contradictions are refused."""

import json
import random
import re
from dataclasses import replace

import pytest

from analysis.figures.style import READABLE, STATE_COLOURS, contrast, state_colour
from analysis.report import Other, PatchMap, Table, render_report, write_report
from analysis.report.encode import colour_edges, rounded
from analysis.report.page import HERE, STYLES, is_numeric
from analysis.taxonomy import CLASSES
from eval.pages.rendering import THEME, inline
from tests.analysis.report_pages import HOSTILE, answer, hostile_report, item, patches, png, report, token
from tests.browser import Tags

# What is written on what: custom properties of theme.css, on the page and on cards and boxes.
GROUNDS = ("page", "raised")
WRITTEN = [
    *((ink, ground) for ink in ("ink", "quiet", "accent", "right", "wrong") for ground in GROUNDS),
    ("right", "right-wash"),
    ("wrong", "wrong-wash"),
    ("on-strong", "step-4"),
    ("on-strong", "step-minus-4"),
    *(("ink", f"step-{sign}{step}") for sign in ("", "minus-") for step in (1, 2, 3)),
]
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
WORDS = [f" word{number}" for number in range(300)]


def data_of(html: str) -> dict:
    return json.loads(Tags(html).scripts[0])


def test_hostile_text_stays_text_and_arrives_unchanged():
    html = render_report(hostile_report())
    page = Tags(html)
    data, _ = page.scripts
    assert [tag for tag, _ in page.tags].count("img") == 2
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not set("<>&\u2028\u2029") & set(data)
    shown = json.loads(data)
    first = shown["items"][0]
    assert first["id"] == first["question"] == first["note"] == shown["texts"][0] == shown["runs"][0] == HOSTILE
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8


def test_nothing_is_loaded_from_outside_the_file():
    html = render_report(report([item("a")]))
    page = Tags(html)
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert links and all(link.startswith(("data:", "#")) for link in links)
    assert any(attributes.get("content") == POLICY for _, attributes in page.tags)
    assert "url(" not in html and "@import" not in html and "innerHTML" not in html


def test_what_is_left_out_is_said_on_top():
    html = render_report(report([item("a")], left_out=["440 of 640 samples are not shown."]))
    assert html.index('<h2 id="left-out-heading">') < html.index("440 of 640 samples") < html.index("<main>")
    assert "left-out-heading" not in render_report(report([item("a")]))


def noisy_answer(draw: random.Random, run: str, mapped: bool):
    """40 tokens with five scores each, 8 responses, and the effects of 64 patches on every token if asked for."""
    tokens = []
    for _ in range(40):
        other = {name: draw.random() for name in ("probability_drop", "entropy_change", "kl")}
        tokens.append(token(draw.choice(WORDS), -draw.random(), -5 * draw.random(), **other))
    further = [Other("".join(draw.choices(WORDS, k=40)), True, "right")] * 7
    grids = [[[draw.gauss(0, 1) for _ in range(8)] for _ in range(8)] for _ in tokens]
    mapping = PatchMap((8, 8), grids) if mapped else None
    return answer(run, tokens=tokens, others=further, patches=mapping, text="".join(one.text for one in tokens))


def test_two_hundred_samples_stay_under_the_size_budget():
    draw = random.Random(0)
    items = [
        item(f"s{i}", answers=[noisy_answer(draw, run, i < 48) for run in ("GRPO", "PAPO")], pictures=[png(i, 256)])
        for i in range(200)
    ]
    assert len(render_report(report(items)).encode()) < 10_000_000


def test_a_picture_shared_by_several_samples_is_stored_once():
    data = data_of(render_report(report([item("a", pictures=[png(1)]), item("b", pictures=[png(1)])])))
    assert len(data["pictures"]) == 2
    assert [row["pictures"] for row in data["items"]] == [[0], [0]]


def test_pictures_of_several_kinds_are_taken_and_others_refused():
    data = data_of(render_report(report([item("a", pictures=[b"\xff\xd8\xff.."], masked=[])])))
    assert data["pictures"][0].startswith("data:image/jpeg;base64,")
    with pytest.raises(ValueError, match="neither PNG"):
        render_report(report([item("a", pictures=[b"<svg>"], masked=[])]))


def test_numbers_keep_four_significant_digits():
    row = data_of(render_report(report([item("a", answers=[answer(tokens=[token("x", -0.123456, -12.3456)])])])))
    tokens = row["items"][0]["answers"][0]["tokens"]
    assert (tokens["logprobs"], tokens["masked"]) == ([-0.1235], [-12.35])
    assert tokens["scores"]["k1"] == [12.22]
    assert str(rounded(-1e-9)) == "0.0"


def test_right_comes_first_and_classes_in_the_order_of_the_taxonomy():
    wrong = [answer(run, False, state=run) for run in ("odd", "format", "perception")]
    assert data_of(render_report(report([item("a", answers=[*wrong, answer()])])))["states"] == [
        *("right", "perception", "reasoning", "format", "odd")
    ]


def test_colour_steps_follow_the_95th_percentile_of_each_score():
    assert colour_edges([0.1] * 5 + [4.0] * 95) == [0.5, 1.5, 3.0, 5.0]
    assert colour_edges([-0.04] * 100) == [0.005, 0.015, 0.03, 0.05]
    assert colour_edges([1e-9] * 100) == colour_edges([]) == [0.001, 0.003, 0.006, 0.01]
    tokens = [token("x", -1.0, -1.5, kl=0.02, odd=-3.0)]
    scores = {
        score["name"]: score
        for score in data_of(render_report(report([item("a", answers=[answer(tokens=tokens)])])))["scores"]
    }
    assert list(scores) == ["k1", "k3", "kl", "odd"]
    assert [scores[name]["edges"][-1] for name in scores] == [0.5, 0.3, 0.02, 3.0]
    assert [scores[name]["signed"] for name in scores] == [True, False, False, True]


def test_numbers_are_told_from_words():
    assert all(map(is_numeric, ["64.8 [62.1, 67.4]", "+0.4", "−1.2 %", "—", "< 0.001", "1.2e-4", "5 / 8"]))
    assert not any(map(is_numeric, ["GRPO", "3B", "python -m train seed=1", "e"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": "perception"}, "right response has the state 'perception'"),
        ({"others": [Other("x", False, "right")]}, "wrong response has the state 'right'"),
        ({"tokens": [token("x", float("-inf"), -1.0)]}, "log-probability that is not finite"),
        ({"tokens": [token("x", -1.0, -2.0, kl=float("nan"))]}, "score that is not finite"),
        ({"tokens": [token("x", -1.0, -2.0, k1=-1.0)]}, "k1 of token 'x'"),
        ({"tokens": [token("x", -1.0, -2.0), token("y", -1.0, -2.0, kl=1.0)]}, "same scores"),
        ({"patches": patches(2)}, "patch effects of 2 tokens, but 3 tokens"),
        ({"patches": PatchMap((3, 2), patches(3).effects)}, "not 3 x 2"),
        ({"patches": PatchMap((0, 0), [[]] * 3)}, "no cell"),
        ({"patches": PatchMap((1, 1), [[[float("inf")]]] * 3)}, "patch effect is not finite"),
    ],
)
def test_contradicting_answers_are_refused_with_sample_and_run(changes, message):
    with pytest.raises(ValueError, match=f"sample 'a', run 'GRPO'.*{message}"):
        render_report(report([item("a", answers=[answer(**changes)])]))


def test_contradicting_records_are_refused():
    for message, wrong in {
        "ids must be unique": report([item("a"), item("a")]),
        "2 cells": report([], tables=[Table("T", "", ["a", "b"], [["1"]])]),
        "emphasis": report([], tables=[Table("T", "", ["a"], [["1"]], [1])]),
        "not a PNG": report([], figures=[replace(report([]).figures[0], png=b"GIF89a")]),
        "1 pictures, but 2 masked": report([item("a", masked=[png(), png()])]),
        "one answer per run": report([item("a", answers=[answer(), answer()])]),
        "no picture": report([item("a", pictures=[], masked=[], answers=[answer(patches=patches(3))])]),
    }.items():
        with pytest.raises(ValueError, match=message):
            render_report(wrong)


def themes() -> dict[str, dict[str, str]]:
    """The colours of both themes; what the dark one does not name it has from the light one."""
    light, dark = inline([THEME]).split("@media (prefers-color-scheme: dark)")
    found = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text)) for text in (light, dark)]
    return {"light": found[0], "dark": found[0] | found[1]}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_reads_in_both_themes(theme):
    colours = themes()[theme]
    faint = {(ink, ground): contrast(colours[ink], colours[ground]) for ink, ground in WRITTEN}
    assert {pair: ratio for pair, ratio in faint.items() if ratio < READABLE} == {}


def test_marks_of_states_have_the_colours_of_the_figures_and_letters_that_read():
    html = render_report(report([item("a")]))
    marks = re.findall(r'^\.mark(?:\[data-state="(.+?)"\])? \{ --fill: (\S+); --letter: (\S+); \}$', html, re.M)
    fills = {state: fill for state, fill, _ in marks}
    assert {"right", "wrong", "unclassified", *CLASSES} < set(fills)
    assert all(fill == state_colour(state) for state, fill in fills.items())  # any other name has the plain mark's
    assert all(contrast(fill, letter) >= READABLE for _, fill, letter in marks)
    styles = inline(STYLES, HERE).lower()
    assert not [colour for colour in STATE_COLOURS.values() if colour in styles]
    assert "background: var(--fill)" in styles and "color: var(--letter)" in styles
    used, made = (set(re.findall(pattern, html)) for pattern in (r"var\((--[\w-]+)\)", r"(--[\w-]+):"))
    assert used <= made


def test_a_report_without_samples_says_so():
    html = render_report(report([]))
    assert "holds no samples" in html and not Tags(html).scripts


def test_a_failed_report_leaves_the_old_file(tmp_path):
    path = write_report(report([]), tmp_path / "new" / "report.html")
    before = path.read_text()
    with pytest.raises(ValueError):
        write_report(report([item("a"), item("a")]), path)
    assert path.read_text() == before and list(path.parent.iterdir()) == [path]
