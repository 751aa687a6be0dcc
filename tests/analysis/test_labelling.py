"""The labelling page in and out of a browser, and what becomes of the labels that people save on it."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.judge.labelling import main
from analysis.judge.labels import FORMAT, UNSURE, page_data, render
from analysis.judge.wrong_items import WrongItem, draw
from analysis.taxonomy import CLASSES, TAXONOMY, VERSION
from data import Sample
from data.images import BytesImage
from tests.analysis.test_judge_classes import chosen, reply, right, run, truths, write_evaluation
from tests.browser import CHROMIUM, FLAGS, HOSTILE, Tags, needs_chromium
from tests.recorded_server import says


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Writes the page of the planted errors; returns its data."""

    def written(*arguments: str, items: int = 4) -> dict[str, Any]:
        if not (tmp_path / "secret_model").exists():
            write_evaluation(tmp_path / "secret_model")
        out = tmp_path / "labels.html"
        assert main([f"eval={tmp_path / 'secret_model'}", f"out={out}", f"items={items}", *arguments]) == 0
        return Page(out.read_text()).data

    return written


class Page(Tags):
    """A page with the data in its first script."""

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.scripts[0])


def save(path: Path, data: dict[str, Any], given: dict[str, str], **changes: Any) -> Path:
    """What the page saves."""
    content = {"format": FORMAT, "page": data["page"], "taxonomy": VERSION, "labeller": path.stem, "labels": given}
    path.write_text(json.dumps(content | changes))
    return path


def test_the_page_shows_the_judges_draw_and_hides_the_model(page, tmp_path: Path) -> None:
    data = page(items=20)
    drawn = draw([tmp_path / "secret_model"], 20, 0)
    assert [item["key"] for item in data["items"]] == [item.key for item in drawn.items]
    assert [item["text"] for item in data["items"]] == [item.text for item in drawn.items]
    assert [one["name"] for one in data["classes"]] == list(CLASSES)
    html = (tmp_path / "labels.html").read_text()
    assert "secret_model" not in html and "mini/2" not in html and len(CLASSES) < 10
    assert all(json.dumps(one.definition)[1:-1].replace("'", "\\u0027") in html for one in TAXONOMY)


def test_the_page_reaches_for_nothing(page, tmp_path: Path) -> None:
    page()
    html = (tmp_path / "labels.html").read_text()
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    assert policy in html and not re.search(r"(?:src|href)=[\"'](?!data:)", html)
    assert not re.search(r"https?://|@import|fetch\(|innerHTML|insertAdjacent|document\.write|eval\(", html)


def hostile_page() -> str:
    sample = Sample("s", "toy", "<image>" + HOSTILE, chosen()[0].sample.images, HOSTILE, choices=(HOSTILE + "!", "b"))
    data, _ = page_data([WrongItem("key", "f", sample, 0, "c", "c", HOSTILE, HOSTILE)], 200)
    return render(data)


def test_hostile_text_opens_no_tag() -> None:
    found = Page(hostile_page())
    assert [tag for tag, _ in found.tags].count("script") == 2
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in found.tags)
    assert found.data["items"][0]["text"] == found.data["items"][0]["gold"] == HOSTILE


def test_pictures_are_stored_once_and_missing_ones_counted() -> None:
    sample = chosen()[0].sample
    gone = Sample("gone", "toy", "<image>?", (BytesImage(b"x"),), "3")
    items = [WrongItem(key, "f", one, 0, "c", "c", "t", "3") for key, one in zip("abc", (sample, gone, sample))]  # noqa: B905
    data, unseen = page_data(items, 200)
    assert [item["key"] for item in data["items"]] == ["a", "c"] and len(data["pictures"]) == 1
    assert [item.key for item in unseen] == ["b"]


def test_people_judge_and_construction_are_compared(page, tmp_path: Path, capsys) -> None:
    data = page(items=40)
    truth = {item["key"]: truths()[item["text"]] for item in data["items"]}
    wrong = dict.fromkeys(list(truth)[:10], "knowledge")
    first = save(tmp_path / "ab.json", data, truth)
    second = save(tmp_path / "cd.json", data, truth | wrong | {list(truth)[20]: UNSURE})
    third = save(tmp_path / "ef.json", data, {key: truth[key] for key in list(truth)[:15]})
    swap = {"reasoning": "calculation", "calculation": "reasoning"}
    run(
        tmp_path,
        lambda text, order: says(reply(swap.get(truths()[text], truths()[text]))),
        f"eval={tmp_path / 'secret_model'}",
        items=40,
    )
    capsys.readouterr()
    arguments = [f"labels=[{first},{second},{third}]", f"judge={tmp_path / 'out'}", f"out={tmp_path / 'people.md'}"]
    assert main([f"eval={tmp_path / 'secret_model'}", *arguments]) == 0
    text = (tmp_path / "people.md").read_text()
    assert capsys.readouterr().out == text
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    rows = {(first, second): rest for first, second, *rest in lines}
    assert rows["ab", "construction"][:3] == ["40", "100.0", "1.000 [1.000, 1.000]"]
    assert rows["ab", "cd"][:2] == ["39", "74.4"]  # 10 of 39 differ, the unsure one is left out
    assert rows["ab", "ef"][0] == "15"
    swapped = sum(label in swap for label in truth.values())
    assert rows["judge, pass 1", "construction"][1] == f"{100 * (40 - swapped) / 40:.1f}"
    assert rows["judge, pass 1", "judge, pass 2"][1] == "100.0"
    assert "40 responses; ab: 40 labelled; cd: 39 labelled" in text and "All people together: alpha" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"format": 2}, "labels of format 1"),
        ({"labels": []}, "labels of format 1"),
        ({"taxonomy": VERSION + 1}, "label anew"),
        ({"labels": {"0000": "format"}}, "1 responses that are no wrong responses of this eval"),
        ({"labels": {}}, "no label yet"),
        ("label", "holds the label 'vision'"),
        ("text", "is no JSON"),
        ("missing", "cannot be read"),
        ("twice", "the second file by ab"),
    ],
)
def test_what_is_no_saved_label_is_refused(content: Any, message: str, page, tmp_path: Path, capsys) -> None:
    data = page()
    key, path = data["items"][0]["key"], tmp_path / "ab.json"
    files = [path]
    if isinstance(content, dict):
        save(path, data, {key: "format"}, **content)
    elif content == "label":
        save(path, data, {key: "vision"})
    elif content == "text":
        path.write_text("{")
    elif content == "twice":
        files.append(save(path, data, {key: "format"}))
    listed = ",".join(map(str, files))
    assert main([f"eval={tmp_path / 'secret_model'}", f"labels=[{listed}]", f"out={tmp_path / 'x.md'}"]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "x.md").exists()


def press(*keys: str) -> str:
    return "".join(
        f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}));" for key in keys
    )


def opened(folder: Path, html: str, script: str = "") -> str:
    """The page's tags after its script and the test's ran; what the browser keeps stays in the folder."""
    path = folder / "opened.html"
    path.write_text(html.replace("</body>", f"<script>{script}</script></body>"))
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def where(dom: str) -> str:
    found = re.search(r'id="where"[^>]*>([^<]*)<', dom)
    assert found is not None
    return found[1]


STEPS = [  # key, what the page then says, the chosen class of the response that it shows
    ("u", "1 of 4, 0 labelled", ""),
    ("8", "1 of 4, 0 labelled", ""),
    ("7", "2 of 4, 1 labelled", ""),
    ("u", "1 of 4, 0 labelled", ""),
    ("1", "2 of 4, 1 labelled", ""),
    ("ArrowLeft", "1 of 4, 1 labelled", "perception"),
    ("ArrowLeft", "1 of 4, 1 labelled", "perception"),
    ("5", "2 of 4, 1 labelled", ""),
    ("u", "1 of 4, 1 labelled", "perception"),
    ("ArrowRight", "2 of 4, 1 labelled", ""),
    ("ArrowRight", "3 of 4, 1 labelled", ""),
    ("ArrowRight", "4 of 4, 1 labelled", ""),
    ("ArrowRight", "4 of 4, 1 labelled", ""),
    ("0", "2 of 4, 2 labelled", ""),
    ("2", "3 of 4, 3 labelled", ""),
    ("4", "3 of 4, 4 labelled", "calculation"),
    ("ArrowRight", "4 of 4, 4 labelled", "unsure"),
]


@needs_chromium
@pytest.mark.slow
def test_keys_in_a_browser(page, tmp_path: Path) -> None:
    page()
    note = (
        "seen.push([document.getElementById('where').textContent,"
        "document.querySelector('li.chosen')?.dataset.name ?? '']);"
    )
    written = "Object.assign(document.createElement('pre'), {id: 'seen', textContent: JSON.stringify(seen)})"
    keys = "".join(press(key) + note for key, _, _ in STEPS)
    script = f"const seen = [];{keys}document.body.append({written});"
    dom = opened(tmp_path, (tmp_path / "labels.html").read_text(), script)
    assert json.loads(re.search(r'<pre id="seen">([^<]*)</pre>', dom)[1]) == [list(step[1:]) for step in STEPS]


@needs_chromium
@pytest.mark.slow
def test_progress_is_kept_and_saved_labels_are_read_back(page, tmp_path: Path, capsys) -> None:
    data = page()
    html = (tmp_path / "labels.html").read_text()
    script = (
        "const field = document.getElementById('labeller'); field.value = 'a b';"
        "field.dispatchEvent(new InputEvent('input', {bubbles: true}));"
        "field.dispatchEvent(new KeyboardEvent('keydown', {key: '6', bubbles: true}));"
    )
    assert where(opened(tmp_path, html, script + press("1", "4"))) == "3 of 4, 2 labelled"
    catch = (
        "URL.createObjectURL = (blob) => { blob.text().then((text) => {"
        "document.body.append(Object.assign(document.createElement('pre'), {id: 'saved', textContent: text})); });"
        "return 'data:,'; };"
        "HTMLAnchorElement.prototype.click = function () { document.title = this.download; };"
        "document.getElementById('save').click();"
    )
    dom = opened(tmp_path, html, catch)
    assert where(dom) == "3 of 4, 2 labelled" and "<title>labels-a_b.json</title>" in dom
    saved = re.search(r'<pre id="saved">([^<]*)</pre>', dom)[1]
    keys = [item["key"] for item in data["items"]]
    assert json.loads(saved)["labels"] == {keys[0]: "perception", keys[1]: "calculation"}
    (tmp_path / "saved.json").write_text(saved)
    arguments = [f"labels=[{tmp_path / 'saved.json'}]", f"out={tmp_path / 'people.md'}"]
    assert main([f"eval={tmp_path / 'secret_model'}", *arguments]) == 0
    assert "2 responses; a b: 2 labelled; construction: 2 labelled" in capsys.readouterr().out


@needs_chromium
@pytest.mark.slow
def test_hostile_text_stays_text_in_a_browser(tmp_path: Path) -> None:
    dom = opened(tmp_path, hostile_page())
    assert "<title>Why is it wrong?</title>" in dom and '<img src="x"' not in dom
    assert dom.count("&lt;img src=x onerror=") == 4  # question, option, gold, response
    assert where(dom) == "1 of 1, 0 labelled"


def test_the_right_judge_is_told_from_people_who_are_not_there(page, tmp_path: Path, capsys) -> None:
    """People label what the judge was never asked: no pair with the judge, and no crash."""
    data = page(items=6)
    run(tmp_path, right, f"eval={tmp_path / 'secret_model'}", "seed=9", items=2)
    asked = {json.loads(line)["key"] for line in (tmp_path / "out" / "labels.jsonl").read_text().splitlines()}
    labels = {item["key"]: "format" for item in data["items"] if item["key"] not in asked}
    path = save(tmp_path / "ab.json", data, labels)
    capsys.readouterr()
    arguments = [f"labels=[{path}]", f"judge={tmp_path / 'out'}", f"out={tmp_path / 'people.md'}"]
    assert main([f"eval={tmp_path / 'secret_model'}", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "| ab | construction |" in printed and "judge" not in printed.split("\n\n", 2)[2]
