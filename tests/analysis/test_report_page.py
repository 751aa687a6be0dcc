"""The HTML report: nothing leaks out of the page, nothing hostile runs in it, and the browser script works."""

import io
import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from analysis.report import Answer, Fact, Figure, Item, Report, Table, Token, render_report, write_report
from analysis.report.page import drop_edges, is_numeric

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on the PATH")
CHROMIUM_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=3000", "--dump-dom"),
]
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\"><script>alert(1)</script></script>"
    "<script>document.title='pwned'</script><!--<script>& \"double\" 'single' \u2028"
)


def png(seed: int = 0, size: int = 128) -> bytes:
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    for cell in range(16):
        left, top = cell % 4 * size // 4, cell // 4 * size // 4
        draw.ellipse([left + 4, top + 4, left + 26, top + 26], fill=((seed * 37 + cell * 61) % 256, cell * 16, 90))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def answer(run: str = "GRPO", correct: bool = True, text: str = "I see 3 circles.\nSo 3.", **changes) -> Answer:
    values = {
        "extracted": "3",
        "error_class": None if correct else "perception",
        "facts": [Fact("circles", "3", "3" if correct else "4", correct), Fact("mood", "calm", None, False)],
        "tokens": [Token("I see", -0.1, -0.1), Token(" 3", -0.2, -4.2), Token(" circles.\nSo 3.", -0.5, -0.3)],
        "correct_of_k": (5, 8),
    }
    return Answer(run=run, text=text, correct=correct, **(values | changes))


def item(identity: str, column: str = "counting", answers: list[Answer] | None = None, **changes) -> Item:
    values = {
        "dependency": "high",
        "version": None,
        "question": "How many circles?",
        "gold": "3",
        "image_png": png(len(identity)),
        "masked_png": png(99),
    }
    return Item(id=identity, column=column, answers=[answer()] if answers is None else answers, **(values | changes))


def report(items: list[Item], **changes) -> Report:
    table = Table("Accuracy", "In per cent.", ["Run", "Accuracy"], [["GRPO", "64.8 [62.1, 67.4]"], ["PAPO", "—"]], [0])
    values = {
        "title": "Who reads the picture?",
        "summary": ["PAPO is right in 67.2 %."],
        "tables": [table],
        "figures": [Figure("Reward", "Three seeds.", png(), "A rising line")],
        "provenance": [("commit", "4f2c9e1")],
    }
    return Report(items=items, **(values | changes))


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text inside each script."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, text):
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += text


def hostile_report() -> Report:
    facts = [Fact(HOSTILE, HOSTILE, HOSTILE, False)]
    poisoned = answer(HOSTILE, False, HOSTILE, facts=facts, tokens=[Token(HOSTILE, -1.0, -3.0)], error_class=HOSTILE)
    return report(
        [item(HOSTILE, HOSTILE, [poisoned], question=HOSTILE, gold=HOSTILE, version=HOSTILE, dependency=HOSTILE)],
        summary=[HOSTILE],
        tables=[Table(HOSTILE, HOSTILE, [HOSTILE], [[HOSTILE]])],
        figures=[Figure(HOSTILE, HOSTILE, png(), HOSTILE)],
        provenance=[(HOSTILE, HOSTILE)],
    )


def test_hostile_text_stays_text_and_arrives_unchanged():
    html = render_report(hostile_report())
    page = Page(html)
    data, _ = page.scripts
    assert [tag for tag, _ in page.tags].count("img") == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not set("<>&\u2028\u2029") & set(data)
    shown = json.loads(data)["items"][0]
    assert shown["id"] == shown["question"] == shown["answers"][0]["tokens"][0][0] == HOSTILE
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_nothing_is_loaded_from_outside_the_file():
    html = render_report(report([item("a")]))
    page = Page(html)
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert links and all(link.startswith(("data:", "#")) for link in links)
    assert any(attributes.get("content") == POLICY for _, attributes in page.tags)
    assert "url(" not in html and "@import" not in html and "innerHTML" not in html


def test_two_hundred_samples_stay_under_the_size_budget():
    long = answer(tokens=[Token(" word", -0.1234, -0.5678)] * 300, text=" word" * 300)
    html = render_report(report([item(f"s{i}", answers=[long, long], image_png=png(i)) for i in range(200)]))
    assert len(html.encode()) < 10_000_000


def test_a_picture_shared_by_several_samples_is_stored_once():
    data, _ = Page(render_report(report([item("a", image_png=png(1)), item("b", image_png=png(1))]))).scripts
    assert len(json.loads(data)["pictures"]) == 2


def test_colour_steps_follow_the_95th_percentile_of_the_drops():
    assert drop_edges([0.1] * 5 + [4.0] * 95) == [0.5, 1.5, 3.0, 5.0]
    assert drop_edges([-0.04] * 100) == [0.005, 0.015, 0.03, 0.05]
    assert drop_edges([1e-9] * 100) == drop_edges([]) == [0.001, 0.003, 0.006, 0.01]


def test_numbers_are_told_from_words():
    assert all(map(is_numeric, ["64.8 [62.1, 67.4]", "+0.4", "−1.2 %", "—", "< 0.001", "1.2e-4", "5 / 8"]))
    assert not any(map(is_numeric, ["GRPO", "3B", "python -m train seed=1", "e"]))


def test_contradicting_records_are_refused():
    with pytest.raises(ValueError, match="unique"):
        render_report(report([item("a"), item("a")]))
    with pytest.raises(ValueError, match="2 cells"):
        render_report(report([], tables=[Table("T", "", ["a", "b"], [["1"]])]))
    with pytest.raises(ValueError, match="not finite"):
        render_report(report([item("a", answers=[answer(tokens=[Token("x", float("-inf"), -1.0)])])]))


def test_a_report_without_samples_says_so():
    html = render_report(report([]))
    assert "holds no samples" in html and not Page(html).scripts


def test_a_failed_report_leaves_the_old_file(tmp_path):
    path = write_report(report([]), tmp_path / "new" / "report.html")
    before = path.read_text()
    with pytest.raises(ValueError):
        write_report(report([item("a"), item("a")]), path)
    assert path.read_text() == before and list(path.parent.iterdir()) == [path]


def dump_dom(path: Path, fragment: str = "") -> str:
    command = [CHROMIUM, *CHROMIUM_FLAGS, f"--user-data-dir={path}.profile", path.as_uri() + fragment]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def with_script(path: Path, script: str) -> Path:
    path.write_text(path.read_text().replace("</body>", f"<script>{script}</script></body>"))
    return path


def visible(dom: str) -> str:
    """What the browser script put on the page: the data it read is cut away."""
    return dom[: dom.index('<script type="application/json"')]


@needs_chromium
def test_a_link_opens_its_sample_with_facts_and_coloured_tokens(tmp_path):
    path = write_report(report([item("first"), item("second", answers=[answer(correct=False)])]), tmp_path / "r.html")
    shown = visible(dump_dom(path, "#sample=second"))
    assert ">2 of 2</p>" in shown and "<h3>second</h3>" in shown and "<h3>first</h3>" not in shown
    assert "error: perception" in shown and "right in 5 of 8 samples" in shown
    assert "(truth: 4)" in shown and "(not checkable)" in shown
    assert 'title="&quot; 3&quot;: log p −0.20, masked −4.20, drop +4.00 nats"> 3</span>' in shown
    assert 'data-step="0" title="&quot;I see&quot;' in shown


@needs_chromium
def test_filters_and_arrow_keys_walk_the_matching_samples(tmp_path):
    items = [
        item("plain", answers=[answer("GRPO"), answer("PAPO")]),
        item("gain", answers=[answer("GRPO", False), answer("PAPO")]),
        item("loss", answers=[answer("GRPO"), answer("PAPO", False)]),
        item("other gain", "chart", answers=[answer("GRPO", False), answer("PAPO", tokens=[], text="bare  text")]),
    ]
    path = write_report(report(items), tmp_path / "r.html")
    linked = visible(dump_dom(path, "#column=counting&text=GAIN&sample=loss"))
    assert ">outside the filter; 1 of 4 match</p>" in linked and "<h3>loss</h3>" in linked
    assert "No sample matches these filters." in visible(dump_dom(path, "#text=zebra"))
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}))"
    stepped = visible(dump_dom(with_script(path, press), "#run=PAPO&verdict=only_right"))
    assert ">2 of 2 matching, 4 in all</p>" in stepped and "<h3>other gain</h3>" in stepped
    assert ">bare  text</div>" in stepped


@needs_chromium
def test_hostile_text_does_not_run(tmp_path):
    dom = dump_dom(write_report(hostile_report(), tmp_path / "r.html"))
    assert "<title>Who reads the picture?</title>" in dom
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in visible(dom).split('<article id="sample"')[1]


@needs_chromium
def test_a_phone_does_not_scroll_sideways(tmp_path):
    wide = Table("Wide", "c", [f"column {i}" for i in range(20)], [["60.5 [48.2, 71.2]"] * 20])
    endless = answer(
        "run" * 40, False, "x" * 400, facts=[Fact("f" * 80, "s" * 80, "t" * 80, False)], extracted="e" * 99
    )
    items = [item("identity" * 20, answers=[endless, answer("PAPO", tokens=[])], question="q" * 300, gold="g" * 300)]
    full = report(items, title="t" * 80, tables=[wide], summary=["s" * 200], provenance=[("command", "c" * 200)])
    tell = (
        "onload = () => { const page = document.documentElement;"
        " parent.postMessage(`${innerWidth}:${page.scrollWidth - page.clientWidth}`, '*') }"
    )
    with_script(write_report(full, tmp_path / "r.html"), tell)
    frame = tmp_path / "frame.html"
    frame.write_text(
        "<script>onmessage = (event) => (document.documentElement.dataset.width = event.data)</script>"
        '<iframe src="r.html" width="390" height="800" style="border: 0"></iframe>'
    )
    assert 'data-width="390:0"' in dump_dom(frame)
