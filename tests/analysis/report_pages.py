"""Reports made up for tests, and Chromium to open them in."""

import io
import json
import subprocess
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw

from analysis.report import Answer, Fact, Figure, Front, Headline, Item, Other, PatchMap, Report, Table, Token
from tests.browser import CHROMIUM, Tags

CHROMIUM_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1366,768"),
    *("--virtual-time-budget=5000", "--dump-dom"),
]
HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\"><script>alert(1)</script></script>"
    "<script>document.title='pwned'</script><!--<script>& \"double\" 'single' \u2028"
)
GRID = (2, 3)
CATCH_ERRORS = """<script>
addEventListener("error", (event) => (document.documentElement.dataset.errors = event.message));
addEventListener("unhandledrejection", (event) => (document.documentElement.dataset.errors = event.reason));
</script>"""
HELPERS = """
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const press = (key, node = document.activeElement) =>
  node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const choose = (name, value) => {
  const control = one("#filters").elements[name];
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
};
const listed = () => all("[role=option]:not([hidden]) bdi").map((name) => name.textContent);
const shownId = () => one("#sample h3").textContent;
const moved = (move) => new Promise((resolve) => {
  addEventListener("popstate", () => setTimeout(resolve), { once: true });
  move();
});
const wentBack = () => moved(() => history.back());
const wentTo = (fragment) => moved(() => (location.hash = fragment));
"""


@cache
def png(seed: int = 0, size: int = 128) -> bytes:
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    for cell in range(16):
        left, top = cell % 4 * size // 4, cell // 4 * size // 4
        draw.ellipse([left + 4, top + 4, left + 26, top + 26], fill=((seed * 37 + cell * 61) % 256, cell * 16, 90))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def token(text: str, logprob: float, masked: float, **scores: float) -> Token:
    return Token(text, logprob, masked, {"k1": logprob - masked, "k3": abs(logprob - masked) / 2} | scores)


def patches(tokens: int, grid: tuple[int, int] = GRID) -> PatchMap:
    """Cell (row, column) of token t costs t + row - column / 10 nats; the first cell is negative."""
    rows, columns = grid
    effects = [[[t + row - column / 10 for column in range(columns)] for row in range(rows)] for t in range(tokens)]
    for grid_effects in effects:
        grid_effects[0][0] = -1.5
    return PatchMap(grid, effects)


def answer(run: str = "GRPO", correct: bool = True, text: str = "I see 3 circles.\nSo 3.", **changes) -> Answer:
    values = {
        "extracted": "3",
        "state": "right" if correct else "perception",
        "facts": [Fact("circles", "3", "3" if correct else "4", correct), Fact("mood", "calm", None, False)],
        "tokens": [token("I see", -0.1, -0.1), token(" 3", -0.2, -4.2), token(" circles.\nSo 3.", -2.5, -0.3)],
        "others": [Other("Again 3.", True, "right"), Other("Perhaps 9.", False, "reasoning")],
        "patches": None,
        "note": None,
    }
    return Answer(run=run, text=text, correct=correct, **(values | changes))


def item(identity: str, column: str = "counting", answers: list[Answer] | None = None, **changes) -> Item:
    values = {
        "tags": {"vision_need": "high"},
        "question": "How many circles?",
        "gold": "3",
        "pictures": [png(len(identity))],
        "masked": [png(99)],
        "note": None,
    }
    return Item(id=identity, column=column, answers=[answer()] if answers is None else answers, **(values | changes))


def report(items: list[Item], **changes) -> Report:
    table = Table("Accuracy", "In per cent.", ["Run", "Accuracy"], [["GRPO", "64.8 [62.1, 67.4]"], ["PAPO", "—"]], [0])
    values = {
        "title": "Who reads the picture?",
        "front": Front("PAPO and GRPO differ.", [Headline("+2.4 points", "[+1.0, +3.8]", "accuracy")], []),
        "summary": ["PAPO is right in 67.2 %."],
        "tables": [table],
        "figures": [Figure("Reward", "Three seeds.", png(), "A rising line")],
        "provenance": [("commit", "4f2c9e1")],
        "left_out": [],
    }
    return Report(items=items, **(values | changes))


def hostile_report() -> Report:
    """Every text of it is an attack."""
    poisoned = answer(
        HOSTILE,
        False,
        HOSTILE,
        facts=[Fact(HOSTILE, HOSTILE, HOSTILE, False)],
        state=HOSTILE,
        note=HOSTILE,
        tokens=[token(HOSTILE, -1.0, -3.0, **{HOSTILE: 1.0})],
        others=[Other(HOSTILE, False, HOSTILE)],
        patches=patches(1),
        extracted=HOSTILE,
    )
    texts = {"question": HOSTILE, "gold": HOSTILE, "tags": {HOSTILE: HOSTILE}, "note": HOSTILE}
    return report(
        [item(HOSTILE, HOSTILE, [poisoned, answer("PAPO", False, state="wrong")], **texts), item("plain", tags={})],
        front=Front(
            HOSTILE, [Headline(HOSTILE, HOSTILE, HOSTILE)], [], item(HOSTILE, HOSTILE, [poisoned], **texts), HOSTILE
        ),
        summary=[HOSTILE],
        tables=[Table(HOSTILE, HOSTILE, [HOSTILE], [[HOSTILE]])],
        figures=[Figure(HOSTILE, HOSTILE, png(), HOSTILE)],
        provenance=[(HOSTILE, HOSTILE)],
        left_out=[HOSTILE],
    )


def dump_dom(path: Path, fragment: str = "") -> str:
    command = [CHROMIUM, *CHROMIUM_FLAGS, f"--user-data-dir={path}.profile", path.as_uri() + fragment]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def in_page(path: Path, script: str, fragment: str = ""):
    """What the script returns when it runs in the opened page, none of whose own scripts may fail."""
    store = "(value) => (document.documentElement.dataset.result = JSON.stringify(value))"
    tail = f"<script>{HELPERS}\n(async () => {{ {script} }})().then({store});</script></body>"
    probed = path.with_name("probed.html")
    html = path.read_text(encoding="utf-8").replace("<head>", "<head>" + CATCH_ERRORS, 1)
    probed.write_text(html.replace("</body>", tail), encoding="utf-8")
    _, attributes = next(tag for tag in Tags(dump_dom(probed, fragment)).tags if tag[0] == "html")
    assert "data-errors" not in attributes, attributes["data-errors"]
    assert "data-ready" in attributes, "the page's own script did not finish"
    return json.loads(attributes["data-result"])
