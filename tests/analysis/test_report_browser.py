"""The report's sample browser in Chromium: what a reader clicks, types and links to does what it should."""

import pytest
import torch

from analysis.report import Table, Token, write_report
from models.dependency import ViewScores
from tests.analysis.report_pages import (
    CATCH_ERRORS,
    HOSTILE,
    answer,
    dump_dom,
    hostile_report,
    in_page,
    item,
    patches,
    report,
    token,
)
from tests.browser import needs_chromium

pytestmark = [needs_chromium, pytest.mark.slow]


@pytest.fixture
def flowing(tmp_path):
    """Six samples under three runs: GRPO to PAPO kept 1, lost 1, repaired 2, mixed 1; one lacks PAPO's answer."""
    states = {
        "kept": ("right", "right"),
        "lost": ("right", "format"),
        "repaired": ("perception", "right"),
        "repaired too": ("perception", "right"),
        "still wrong": ("perception", "reasoning"),
    }
    items = []
    for number, (name, pair) in enumerate(states.items()):
        answers = [answer(run, s == "right", state=s) for run, s in zip(("GRPO", "PAPO"), pair, strict=True)]
        tags = {"vision_need": ["low", "high"][number % 2]} | ({"version": "text only"} if name == "lost" else {})
        items.append(item(name, "chart" if name == "lost" else "counting", [*answers, answer("DAPO")], tags=tags))
    items.append(item("half", answers=[answer("GRPO"), answer("DAPO", tokens=[], note="Nobody scored it.")]))
    return write_report(report(items), tmp_path / "r.html")


def test_a_link_opens_its_sample_with_all_that_is_known_of_it(tmp_path):
    wrong = answer(correct=False, note="Its weights are gone.", extracted=None)
    items = [item("first"), item("second", answers=[wrong], note="Drawn again.", tags={"version": "vision only"})]
    script = """
      one("[data-token='1']").focus();
      const steps = all("[data-token]").map((span) => span.dataset.step);
      const texts = ["#count", "#sample", "#tip"].map((selector) => one(selector).textContent);
      return [shownId(), one(".others").open, steps, ...texts];
    """
    path = write_report(report(items), tmp_path / "r.html")
    name, is_open, steps, count, text, tip = in_page(path, script, "#sample=second")
    assert (name, count, is_open, steps) == ("second", "2 of 2", False, ["0", "4", "2"])
    for part in ("version: vision only", "Drawn again.", "wrong", "perception", "none found", "Its weights are gone."):
        assert part in text
    assert "right in 1 of 3 responses" in text and "2 further responses, 1 right" in text
    assert "Perhaps 9." in text and "reasoning" in text
    assert "(truth: 4)" in text and "(not checkable)" in text
    assert tip == '" 3" · token 2log p−0.2 natslog p, masked−4.2 natsk1+4 natsk32 nats'


def test_filters_and_arrow_keys_walk_the_matching_samples(flowing):
    script = """
      const seen = [listed()];
      choose("column", "counting");
      seen.push(listed());
      one("#filters button[type=reset]").click();
      await new Promise((resolve) => setTimeout(resolve));
      choose("run", "PAPO");
      choose("verdict", "only_right");
      seen.push(listed());
      press("ArrowRight", document.body);
      seen.push([shownId(), one("#count").textContent, one("#active").textContent]);
      press("ArrowRight", document.body);
      press("End", one("#list"));
      press("ArrowUp", one("#list"));
      seen.push(shownId());
      choose("state", "format");
      seen.push([listed(), one("#sample").textContent]);
      return seen;
    """
    everything, counting, gains, place, end, nothing = in_page(flowing, script)
    assert everything == ["kept", "lost", "repaired", "repaired too", "still wrong", "half"]
    assert counting == ["kept", "repaired", "repaired too", "still wrong", "half"]
    assert gains == ["repaired", "repaired too"]
    assert place == ["repaired too", "2 of 2 matching, 6 in all", " · 2 active"]
    assert end == "repaired"
    assert nothing == [[], "No sample matches these filters."]


def test_tags_and_text_of_every_response_are_searched_by_links(flowing):
    script = """
      const found = [listed()];
      await wentTo("#tag.version=text+only");
      found.push(listed());
      await wentTo("#text=STILL&sample=lost");
      found.push(listed(), shownId(), one("#count").textContent);
      await wentTo("#sample=nobody");
      found.push(one("#count").textContent);
      choose("text", "perhaps 9");
      found.push(listed().length);
      choose("text", "zebra");
      return [...found, listed()];
    """
    assert in_page(flowing, script, "#tag.vision_need=low") == [
        ["kept", "repaired", "still wrong"],
        ["lost"],
        *(["still wrong"], "lost", "outside the filter; 1 of 6 match"),
        "1 of 6; no sample is called nobody",
        *(6, []),
    ]


def test_flow_cells_count_and_filter_by_mouse_and_keyboard(flowing):
    script = """
      const cell = (from, to) => all("#flow button[data-from]").find((b) => b.title.startsWith(`${from} to ${to}:`));
      const counts = all("#flow tbody tr").map((row) => [...row.querySelectorAll("button")].map((b) => b.textContent));
      const missing = one("#flow-missing").textContent;
      cell("perception", "right").click();
      const repaired = [listed(), location.hash, cell("perception", "right").ariaPressed];
      choose("column", "chart");
      const recounted = cell("perception", "right").textContent;
      choose("column", "");
      cell("right", "right").focus();
      press("ArrowDown");
      press("ArrowRight");
      const focused = document.activeElement.title;
      document.activeElement.click();
      const mixed = listed();
      document.activeElement.click();
      const stops = all("#flow button[tabindex='0']").length;
      return [counts, missing, repaired, recounted, focused, mixed, listed().length, stops];
    """
    counts, missing, repaired, recounted, focused, mixed, without, stops = in_page(flowing, script)
    assert counts == [["1", "·", "1"], ["2", "1", "·"]]
    assert missing == "1 sample without an answer of both runs."
    assert repaired == [["repaired", "repaired too"], "#sample=repaired&from=perception&to=right", "true"]
    assert (recounted, without, stops) == ("·", 6, 1)
    assert focused == "perception to reasoning: 1 sample" and mixed == ["still wrong"]
    linked = in_page(flowing, "return listed()", "#against=DAPO&from=right&to=right")
    assert linked == ["kept", "lost", "half"]


def test_going_back_undoes_choices_one_by_one(flowing):
    script = """
      one("#entry-2").click();
      one("#entry-2").click();
      choose("state", "perception");
      press("ArrowRight", document.body);
      press("ArrowRight", document.body);
      const there = shownId();
      const seen = [there];
      for (let k = 0; k < 3; k++) { await wentBack(); seen.push([shownId(), one("#filters").elements.state.value]); }
      one("nav a[href='#tables']").click();
      return [seen, location.hash];
    """
    seen, address = in_page(flowing, script)
    assert seen == ["still wrong", ["repaired", "perception"], ["repaired", ""], ["kept", ""]]
    assert address == ""


def test_the_choice_of_a_score_recolours_and_is_linked(flowing):
    script = """
      const steps = () => all(".card:first-child [data-token]").map((span) => span.dataset.step);
      const before = [steps(), one(".heat .legend").textContent];
      const select = one(".score select");
      select.value = "k1";
      select.dispatchEvent(new Event("input", { bubbles: true }));
      return [before, steps(), one(".heat .legend").textContent, one(".mean").textContent, location.hash];
    """
    (k3_steps, k3_legend), k1_steps, k1_legend, mean, address = in_page(flowing, script)
    assert k3_steps == ["0", "4", "2"] and k1_steps == ["0", "3", "-2"]
    assert "k3" in k3_legend and "−" not in k3_legend
    assert "drop in log-prob" in k1_legend and "in nats" in k1_legend and "−5" in k1_legend
    assert mean == "Mean k1 +0.6 nats over 3 tokens."
    assert address == "#sample=kept&score=k1"
    script = "return [one('.score select').value, one('.chosen dt').textContent]"
    focus = "one('[data-token=\"1\"]').focus();"
    assert in_page(flowing, focus + script, address) == ["k1", "k1"]
    assert in_page(flowing, focus + script, "#score=nonsense") == ["k3", "k3"]


def test_scores_on_the_page_are_those_of_models_dependency(tmp_path):
    torch.manual_seed(0)
    count = 24
    logprobs_T, masked_T = -3 * torch.rand(count), -8 * torch.rand(count)
    extra = {"entropy_T": torch.rand(count), "masked_entropy_T": torch.rand(count), "kl_T": torch.rand(count)}
    scores = ViewScores("a", tuple(range(count)), logprobs_T, masked_T, **extra).token_scores()
    columns = {name: values.tolist() for name, values in scores.items()}
    tokens = [
        Token(f" {t}", own, masked, {name: values[t] for name, values in columns.items()})
        for t, (own, masked) in enumerate(zip(logprobs_T.tolist(), masked_T.tolist(), strict=True))
    ]
    path = write_report(report([item("a", answers=[answer(tokens=tokens)])]), tmp_path / "r.html")
    script = """
      return all("[data-token]").map((span) => {
        span.focus();
        const rows = all("#tip dl div").map((row) => [row.firstChild.textContent, row.lastChild.textContent]);
        return Object.fromEntries(rows);
      });
    """
    shown = in_page(path, script)
    assert len(shown) == count and set(shown[0]) - {"log p", "log p, masked"} == {n.replace("_", " ") for n in columns}
    for t, row in enumerate(shown):
        for name, values in columns.items():
            read = float(row[name.replace("_", " ")].replace("−", "-").removesuffix(" nats"))
            assert read == round(float(f"{values[t]:.4g}"), 6), (name, t)


def test_a_selected_token_lays_its_patches_over_the_picture(tmp_path):
    mapped = [answer("GRPO", patches=patches(3)), answer("PAPO")]
    path = write_report(report([item("a", answers=mapped), item("b")]), tmp_path / "r.html")
    script = """
      const token = (place) => one(`.card:first-child [data-token="${place}"]`);
      const overlay = () => all(".frame .patches button").map((cell) => [cell.ariaLabel, cell.dataset.step]);
      const before = [overlay().length, all(".hint").length];
      token(0).focus();
      press("ArrowRight");
      press("Enter");
      const laid = [overlay(), one(".patch-legend").textContent, location.hash, token(1).ariaPressed];
      one("[data-cell='4']").focus();
      const tip = one("#tip").textContent;
      press("ArrowUp");
      const above = document.activeElement.dataset.cell;
      press("Escape");
      const off = [overlay().length, location.hash, document.activeElement === token(1), token(1).ariaPressed];
      token(2).click();
      const again = overlay()[5];
      token(2).click();
      const second = overlay().length;
      one(".card:last-child [data-token='1']").click();
      const unmapped = overlay().length;
      press("ArrowRight", document.body);
      const elsewhere = [shownId(), all(".hint").length];
      for (const nothing of ["0.9", "1.1", "x", "0"]) {
        await wentTo("#sample=a&token=" + nothing);
        elsewhere.push(overlay().length);
      }
      return [before, laid, tip, above, off, again, second, unmapped, elsewhere];
    """
    before, laid, tip, above, off, again, second, unmapped, elsewhere = in_page(path, script)
    assert before == [0, 1]
    cells, legend, address, pressed = laid
    assert cells[0] == ["row 1, column 1: −1.5 nats", "-2"]
    assert cells[3] == ["row 2, column 1: +2 nats", "3"] and len(cells) == 6
    assert '" 3"' in legend and "in nats" in legend and "row 2, column 1, +2" in legend
    assert (address, pressed) == ("#sample=a&token=0.1", "true")
    assert tip == "row 2, column 2log p lost when black+1.9 nats" and above == "1"
    assert off == [0, "#sample=a", True, "false"]
    assert again == ["row 2, column 3: +2.8 nats", "3"]
    assert (second, unmapped, elsewhere) == (0, 0, ["b", 0, 0, 0, 0, 0])
    linked = in_page(path, "return all('.patches button').length", "#sample=a&token=0.2")
    assert linked == 6


def test_hostile_text_does_not_run(tmp_path):
    path = write_report(hostile_report(), tmp_path / "r.html")
    script = """
      one("[data-token='0']").click();
      choose("text", "alert");
      const texts = ["#sample h3", ".response", ".tokens span", ".others .response", ".facts b", ".note"];
      const markup = all("#sample script, #sample img[onerror], #filters img, #list img").length;
      return [document.title, markup, texts.map((selector) => one(selector).textContent)];
    """
    assert in_page(path, script) == ["Who reads the picture?", 0, [HOSTILE] * 6]


def test_two_thousand_samples_finish_loading(tmp_path):
    tokens = [token(" word", -0.1234, -0.5678)] * 40
    items = [
        item(f"s{i}", answers=[answer(run, tokens=tokens, text=f"found {i}") for run in ("GRPO", "PAPO")])
        for i in range(2000)
    ]
    script = """
      const whole = listed().length;
      choose("text", "found 1999");
      const style = getComputedStyle(one("[role=option]"));
      return [whole, listed(), shownId(), style.contentVisibility, all("#sample [data-token]").length];
    """
    path = write_report(report(items), tmp_path / "r.html")
    assert in_page(path, script) == [2000, ["s1999"], "s1999", "auto", 80]


def test_a_sample_without_pictures_or_answers_is_shown(tmp_path):
    items = [item("bare", answers=[], pictures=[], masked=[], tags={}, note="Its picture cannot be opened any more.")]
    text = in_page(write_report(report(items), tmp_path / "r.html"), "return one('#sample').textContent")
    assert "No picture." in text and "No run answered this sample." in text and "cannot be opened" in text


@pytest.mark.parametrize("width", [390, 1366])
def test_the_page_does_not_scroll_sideways(tmp_path, width):
    wide = Table("Wide", "c", [f"column {i}" for i in range(20)], [["60.5 [48.2, 71.2]"] * 20])
    runs = ["run" * 40, "PAPO"]
    endless = answer(runs[0], False, "x" * 400, state="state" * 20, extracted="e" * 99, patches=patches(3))
    states = [answer(runs[1], False, tokens=[], state=f"class{i}") for i in range(9)]
    items = [
        item(f"{i}" + "identity" * 20, answers=[endless, other], question="q" * 300, gold="g" * 300, note="n" * 200)
        for i, other in enumerate(states)
    ]
    full = report(
        items,
        title="t" * 80,
        tables=[wide],
        summary=["s" * 200],
        left_out=["l" * 200],
        provenance=[("command", "c" * 200)],
    )
    path = write_report(full, tmp_path / "r.html")
    tell = """<script>onload = () => {
      document.getElementById("filter-box").open = true;
      document.querySelector(".others").open = true;
      document.querySelector("[data-token]").click();
      const page = document.documentElement;
      const laid = document.querySelectorAll(".patches button").length;
      const over = page.scrollWidth - page.clientWidth;
      parent.postMessage([innerWidth, over, laid, page.dataset.errors || "none"].join(), "*");
    }</script></body>"""
    html = path.read_text().replace("<head>", "<head>" + CATCH_ERRORS, 1)
    path.write_text(html.replace("</body>", tell))
    frame = tmp_path / "frame.html"
    frame.write_text(
        "<script>onmessage = (event) => (document.documentElement.dataset.width = event.data)</script>"
        f'<iframe src="r.html" width="{width}" height="800" style="border: 0"></iframe>'
    )
    assert f'data-width="{width},0,6,none"' in dump_dom(frame)
