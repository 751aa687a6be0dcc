"""The page of predictions: hostile text stays text, counts and filter data are right, and its script works."""

import base64
import io
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from common import UserError
from data import Sample
from data.images import PillowImage
from eval.items import chosen_items
from eval.page import count_sentence, data_uri, page_data, render_page, write_page
from tests.browser import CHROMIUM, FLAGS, HOSTILE, Tags, needs_chromium


def picture(width: int = 64, height: int = 48, colour: str = "navy") -> PillowImage:
    return PillowImage(Image.new("RGB", (width, height), colour))


def sample(name: str, **changes: object) -> Sample:
    values = {
        "question": "<image>How many?",
        "images": (picture(colour="navy"),),
        "answer": "3",
        "answer_type": "number",
    }
    return Sample(name, "toy", **(values | changes))


def rows(
    name: str, column: str = "chart", verdicts: tuple = ((True, True), (False, None)), **changes: object
) -> list[dict]:
    """Responses of an item; the pairs are the verdicts of robust and of official."""
    values = {"text": "so 3", "extracted": "3", "gold": "3", "finish_reason": "stop"} | changes
    return [
        {"sample_id": name, "column": column, "k": k, "correct_robust": one, "correct_official": two, **values}
        for k, (one, two) in enumerate(verdicts)
    ]


def three_items() -> tuple[pd.DataFrame, dict[str, Sample]]:
    """One item on which scorers agree, one on which they do not, one cut by length."""
    lines = rows("agree") + rows("dispute", "word", ((True, False), (True, True)), text="Pythagoras says 3")
    lines += rows("cut", verdicts=((False, False),), finish_reason="length", extracted=None)
    names = ("agree", "dispute", "cut")
    return pd.DataFrame(lines), {name: sample(name) for name in names}


def test_what_the_filters_see() -> None:
    frame, samples = three_items()
    data = page_data(frame.sample(frac=1, random_state=0), samples)
    assert data["scorers"] == ["robust", "official"]
    assert sorted(data["columns"]) == ["chart", "word"]
    by_id = {item["id"]: item for item in data["items"]}
    assert [one["verdicts"] for one in by_id["agree"]["responses"]] == [[True, True], [False, None]]
    assert [one["k"] for one in by_id["agree"]["responses"]] == [0, 1]
    assert [one["verdicts"] for one in by_id["dispute"]["responses"]] == [[True, False], [True, True]]
    assert by_id["dispute"]["column"] == "word"
    assert (by_id["cut"]["responses"][0]["cut"], by_id["cut"]["responses"][0]["extracted"]) == (True, None)
    assert not by_id["agree"]["responses"][0]["cut"]
    assert (by_id["agree"]["question"], by_id["agree"]["gold"]) == ("How many?", "3")


def test_missing_values_of_every_kind_are_none() -> None:
    frame = pd.DataFrame(rows("a", verdicts=((np.nan, pd.NA), (True, None)), extracted=np.nan))
    responses = page_data(frame, {"a": sample("a")})["items"][0]["responses"]
    assert [one["verdicts"] for one in responses] == [[None, None], [True, None]]
    assert responses[0]["extracted"] is None


def test_a_shared_picture_is_stored_once_and_several_are_marked() -> None:
    two = sample("two", question="<image>and <image>?", images=(picture(), picture(colour="red")))
    frame = pd.DataFrame(rows("one") + rows("two") + rows("none"))
    samples = {"one": sample("one"), "two": two, "none": sample("none", question="Why?", images=())}
    data = page_data(frame, samples)
    assert [item["pictures"] for item in data["items"]] == [[0], [0, 1], []]
    assert len(data["pictures"]) == 2
    assert data["items"][1]["question"] == "[picture] and [picture] ?"


def test_options_are_listed_unless_the_question_does() -> None:
    listed = sample("listed", question="<image>Which? A. red B. blue", choices=("red", "blue"))
    bare = sample("bare", question="<image>Which?", choices=("red", "blue"))
    data = page_data(pd.DataFrame(rows("listed") + rows("bare")), {"listed": listed, "bare": bare})
    assert [item["choices"] for item in data["items"]] == [[], ["red", "blue"]]


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_pictures_shrink_and_take_the_smaller_form() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8))
    assert decoded(data_uri(noise)).size == (320, 240)
    assert decoded(data_uri(noise)).format == "JPEG"
    assert decoded(data_uri(Image.new("RGB", (64, 48), "navy"))).size == (64, 48)
    assert decoded(data_uri(Image.new("L", (64, 4000)))).format == "PNG"


def many() -> pd.DataFrame:
    """50 items in one column, 5 in another, 20 in a third."""
    sizes = {"large": 50, "small": 5, "middle": 20}
    return pd.DataFrame(
        [row for column, size in sizes.items() for n in range(size) for row in rows(f"{column}{n}", column)]
    )


def test_items_are_drawn_over_all_columns() -> None:
    """30 of 75: the small column gives all its 5, the others share the rest."""
    frame = many()
    ids = chosen_items(frame, 30)
    assert len(ids) == len(set(ids)) == 30
    counts = pd.Series(ids).str.extract(r"([a-z]+)")[0].value_counts().to_dict()
    assert counts["small"] == 5
    assert sorted((counts["large"], counts["middle"])) == [12, 13]
    assert ids == [name for name in frame.sample_id.unique() if name in set(ids)]
    assert set(chosen_items(frame, 29)) < set(ids)


def test_the_draw_does_not_see_what_the_model_said() -> None:
    frame = many()
    other = frame.assign(correct_robust=~frame.correct_robust, text="other").sample(frac=1, random_state=0)
    assert set(chosen_items(frame, 30)) == set(chosen_items(other, 30))


def test_the_page_says_how_many_are_left_out() -> None:
    frame = many()
    samples = {name: sample(name) for name in frame.sample_id.unique()}
    assert "30 of 75 items, 45 left out" in render_page(frame, samples, "title", 30)
    assert count_sentence(page_data(frame, samples, 75)) == "All 75 items."


def test_what_cannot_be_shown_is_refused() -> None:
    frame, samples = three_items()
    with pytest.raises(UserError, match="ask for at least 1"):
        page_data(frame, samples, 0)
    with pytest.raises(UserError, match="a column correct_<scorer>"):
        page_data(frame.drop(columns=["correct_robust", "correct_official"]), samples)


def hostile_page() -> str:
    lines = rows(HOSTILE, HOSTILE, text=HOSTILE, extracted=HOSTILE, gold=HOSTILE)
    trap = sample(HOSTILE, question="<image>" + HOSTILE, choices=(HOSTILE + "!", "b"), answer=HOSTILE)
    return render_page(pd.DataFrame(lines), {HOSTILE: trap}, HOSTILE)


def test_hostile_text_opens_no_tag() -> None:
    page = Tags(hostile_page())
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.tags)
    data = json.loads(page.scripts[0])
    assert data["items"][0]["responses"][0]["text"] == HOSTILE
    assert data["items"][0]["choices"][0] == HOSTILE + "!"


def test_the_page_reaches_for_nothing(tmp_path: Path) -> None:
    frame, samples = three_items()
    path = write_page(frame, samples, tmp_path / "new" / "page.html", "title")
    html = path.read_text()
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    assert policy in html
    assert not re.search(r"(?:src|href)=[\"'](?!data:)", html)
    assert not re.search(r"https?://|@import|fetch\(|innerHTML|insertAdjacent|document\.write|eval\(", html)


def opened(folder: Path, html: str, address: str = "", script: str = "") -> str:
    """The page's tags after its script ran and, where given, a script of the test."""
    path = folder / "page.html"
    path.write_text(html.replace("</body>", f"<script>{script}</script></body>"))
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", f"{path.as_uri()}{address}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def where(dom: str) -> str:
    found = re.search(r'id="where"[^>]*>([^<]*)<', dom)
    assert found is not None
    return found[1]


def shown(dom: str) -> str:
    found = re.search(r"<h2>([^<]*)</h2>", dom)
    return found[1] if found else ""


@needs_chromium
@pytest.mark.slow
def test_hostile_text_stays_text_in_a_browser(tmp_path: Path) -> None:
    dom = opened(tmp_path, hostile_page())
    assert "<title>&lt;/script&gt;" in dom
    assert dom.count("&lt;img src=x onerror=") >= 6
    assert '<img src="x"' not in dom
    assert where(dom) == "1 of 1"


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "position", "first"),
    [
        ("", "1 of 3", "agree"),
        ("#disagree=1", "1 of 1 matching, 3 in all", "dispute"),
        ("#cut=1", "1 of 1 matching, 3 in all", "cut"),
        ("#verdict=wrong&scorer=robust", "1 of 2 matching, 3 in all", "agree"),
        ("#verdict=unscored", "1 of 1 matching, 3 in all", "agree"),
        ("#column=word&verdict=right", "1 of 1 matching, 3 in all", "dispute"),
        ("#text=PYTHAGORAS", "1 of 1 matching, 3 in all", "dispute"),
        ("#cut=1&verdict=right", "0 of 3 items match", ""),
        ("#item=cut", "3 of 3", "cut"),
    ],
)
def test_filters_in_a_browser(tmp_path: Path, address: str, position: str, first: str) -> None:
    frame, samples = three_items()
    dom = opened(tmp_path, render_page(frame, samples, "title"), address)
    assert (where(dom), shown(dom)) == (position, first)


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "position"), [(["ArrowRight", "j"], "3 of 3"), (["ArrowLeft"], "3 of 3"), (["j", "k"], "1 of 3")]
)
def test_keys_in_a_browser(tmp_path: Path, keys: list[str], position: str) -> None:
    frame, samples = three_items()
    press = "".join(
        f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}));" for key in keys
    )
    assert where(opened(tmp_path, render_page(frame, samples, "title"), script=press)) == position


@needs_chromium
@pytest.mark.slow
def test_keys_leave_the_search_field_alone(tmp_path: Path) -> None:
    frame, samples = three_items()
    script = (
        "const field = document.forms[0].elements.text;"
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '/', bubbles: true}));"
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}));"
        "document.title = document.activeElement === field ? 'in the field' : 'elsewhere';"
    )
    dom = opened(tmp_path, render_page(frame, samples, "title"), script=script)
    assert (where(dom), "<title>in the field</title>" in dom) == ("1 of 3", True)
