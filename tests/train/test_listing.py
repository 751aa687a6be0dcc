"""The list of methods, and that the trainer names none of them."""

import ast
import json
import re
from pathlib import Path

import pytest

from common import UserError
from train.__main__ import main
from train.listing import HEADER, TRUTHS, about_of, cells, cost_of, engages_of, methods

ROOT = Path(__file__).resolve().parents[2]
# Names that only a method has; base algorithms (grpo, rloo ...) are kinds of advantage.
NAMES = re.compile(
    r"(?<![a-z])(papo|vppo|vgpo|pepo|vepo|cgpo|cppo|pgpo|pearl|vision_sr1|opd|racro|srpo|cfpo|vgs|vcsd)(?![a-z])"
)


def test_every_method_says_its_paper_and_how_sure_we_are():
    listed = methods()
    assert {one.truth for one in listed} <= TRUTHS.keys() and all(one.paper != "-" for one in listed)
    by_name = {one.method: one for one in listed}
    assert "top" in by_name["vppo"].pieces and "masked, per response" in by_name["vppo"].passes
    assert by_name["grpo"].passes == "reference" and by_name["dapo"].passes == "none"
    assert by_name["opd"].passes == "teacher clean in the update"
    assert by_name["va_opd"].passes == "teacher clean, teacher coarse, teacher clean in the update"
    update = "none with gradient, teacher clean, teacher none, teacher clean in the update, teacher none in the update"
    assert by_name["vgs"].passes == update  # the gate's pass compares the teacher's two views before the update
    assert by_name["cfpo_g"].passes == "reference, counterfactual, per response"
    assert by_name["srpo"].passes == "old log-probs of all, reference, masked, per response, unread"


def test_a_verdict_is_listed_as_it_was_found_and_its_lack_is_said(tmp_path):
    claim = {"metric": "dependency/k3_mean", "way": "up", "coef": "losses.perception_kl.coef"}
    assert engages_of("vppo", None, tmp_path) == "-"
    assert engages_of("papo_g", claim, tmp_path) == "dependency/k3_mean up: not run"
    for turned, said in ((4, "yes"), (3, "no")):
        record = {"seeds": [{}] * 4, "steps": 20, "with": {"right_way": 4}, "turned": {"right_way": turned}}
        (tmp_path / "papo_g.json").write_text(json.dumps(record))
        wanted = f"dependency/k3_mean up: {said}, 4 and {turned} of 4 seeds, 20 steps"
        assert engages_of("papo_g", claim, tmp_path) == wanted
    (listed,) = (one for one in methods() if one.method == "papo_g")
    assert dict(zip(HEADER, cells(listed), strict=True))["engages"] == listed.engages != "-"


def test_a_measured_cost_is_listed_with_the_recipe_it_is_over(tmp_path):
    path = tmp_path / "cost.json"
    assert cost_of("vppo", path) == "not measured"
    path.write_text(json.dumps({"methods": {"vppo": {"over": "dapo", "ratio": 1.3349}}}))
    assert cost_of("vppo", path) == "1.33 x dapo" and cost_of("vgpo", path) == "not measured"


@pytest.mark.parametrize("typed", [["list"], ["list", "scale=mini"]])
def test_the_bare_word_list_names_the_command_that_lists(typed, capsys):
    assert main(typed) == 2
    said = capsys.readouterr().err
    assert (
        said == "error: cannot read 'list' on the command line; the list of methods is python -m train method=list\n"
    )


def code_words(path: Path) -> set[str]:
    """Names and texts of a module's statements, docstrings and help left out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name | ast.Attribute):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
        if isinstance(node, ast.Compare | ast.Dict | ast.Subscript):
            texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
            found |= {text for text in texts if isinstance(text, str) and " " not in text}
    return {word.lower() for word in found}


def test_no_statement_of_the_trainer_the_models_or_the_loader_names_a_method():
    pieces = ("losses", "plans", "rewards", "weights")  # the folders in which methods are at home
    trainer = [path for path in ROOT.glob("train/**/*.py") if path.parent.name not in pieces]
    assert {path.parent.name for path in trainer} == {"train", "asks", "audit", "rollout", "scoring", "table"}
    files = [*trainer, *ROOT.glob("models/*.py"), *ROOT.glob("configs/*.py")]
    found = {
        (path.relative_to(ROOT).as_posix(), word) for path in files for word in code_words(path) if NAMES.search(word)
    }
    assert found == set()


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ("{papr: none}", "has no 'papr'; did you mean 'paper'"),
        ("{paper: none, truth: guess}", "is 'guess'; use one of code, paper"),
        (
            "{paper: none, engages: {metric: a, way: sideways, coef: b}}",
            r"needs metric, way \(up or down\) and coef \(a",
        ),
        ("{paper: none, engages: {metric: a, way: up}}", r"needs metric, way \(up or down\) and coef \(a"),
    ],
)
def test_what_a_method_says_of_itself_is_checked(tmp_path, about, sentence):
    path = tmp_path / "mine.yaml"
    path.write_text(f"about: {about}\nbased_on: grpo\n")
    with pytest.raises(UserError, match=sentence):
        about_of(path)
