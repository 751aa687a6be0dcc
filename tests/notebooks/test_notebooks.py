"""The notebooks as documents (thin, with outputs, nothing of one machine in them), and executed on small runs."""

import ast
import importlib
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import nbformat
import pandas as pd
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from analysis.report import numbers as report_numbers
from analysis.report import summary
from analysis.report.records import Table
from analysis.runs import open_runs
from analysis.table_files import read_table
from common import UserError, write_jsonl
from configs import command
from eval.settings import EvalSettings
from notebooks import looking, real_rows
from notebooks import simulated_judge as simulated
from notebooks.execute import HERE, environment, execute, html_of, joined, notebooks_of, run, write
from notebooks.page import Shown, say, table
from notebooks.settings import NotebookSettings

PATHS = sorted(HERE.glob("[0-9]*.ipynb"))
NAMES = [
    "01_perception_errors",
    "02_visual_dependency",
    "03_compare_two_runs",
    "04_judge_calibration",
    "05_what_can_be_won",
    "06_real_rows",
]
FIGURES = {
    "01_perception_errors": ["01_examples", "01_errors", "01_repairs", "01_flow"],
    "02_visual_dependency": ["02_heat_map", "02_position", "02_words", "02_patches", "02_attention"],
    "03_compare_two_runs": ["03_accuracy", "03_forest", "03_repairs", "03_flow"],
    "04_judge_calibration": ["04_confusion", "04_rates"],
    "05_what_can_be_won": ["05_oracles", "05_dose"],
    "06_real_rows": ["06_rows"],
}
GIVEN = {"05_what_can_be_won": "TABLES", "06_real_rows": "REAL"}  # what the parameters name, where it is not RUNS
LONGEST_CELL, LARGEST = 15, 700_000
MACHINE = re.compile(r"/(?:home|work|tmp|root|usr|opt|Users|var)/")
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda, ast.Try)
SIZES = ["model=tiny", "items=10", "k=4", "page=0"]
RUNS = {
    "base": ["seed=0"],
    "warm": ["seed=1", "sampling.temperature=1.3"],
    "hot": ["seed=2", "sampling.temperature=1.4"],
}


@cache
def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook: NotebookNode) -> str:
    """All printed text, on one line."""
    streams = [one.text for cell in code_cells(notebook) for one in cell.outputs if one.output_type == "stream"]
    return " ".join("\n".join(streams).split())


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [one for cell in code_cells(notebook) for one in cell.outputs]


def test_the_notebooks_are_there() -> None:
    assert [path.stem for path in PATHS] == NAMES


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_a_notebook_is_a_document_of_its_own(path: Path) -> None:
    """Question, needs and time first, then the parameters; every part ends with how to read it."""
    notebook = read(path)
    nbformat.validate(notebook)
    first, second = notebook.cells[:2]
    assert first.cell_type == "markdown"
    assert all(word in first.source for word in ("**Question:**", "**Needs:**", "**Takes**"))
    assert second.metadata.tags == ["parameters"]
    given = GIVEN.get(path.stem, "RUNS")
    assert all(name in second.source for name in (f"PERCEPT_{given}", "PERCEPT_OUT", f"{given} =", "OUT ="))
    assert [cell.metadata.get("tags") for cell in notebook.cells].count(["parameters"]) == 1
    assert [cell.id for cell in notebook.cells] == [f"{path.stem[:2]}-{n + 1}" for n in range(len(notebook.cells))]
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert sum("**How to read" in cell.source for cell in notebook.cells) >= 4
    prose = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert not re.search(r"\d+\.\d+ ?%|p = 0|\[-?\d+\.\d+,", prose), "numbers come from code"


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_cells_are_thin(path: Path) -> None:
    for cell in code_cells(read(path)):
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.id
        logic = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, LOGIC)]
        assert not logic, f"{cell.id} holds logic; it belongs into analysis/"
        loops = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.comprehension)]
        assert all(not node.ifs and isinstance(node.target, ast.Name) for node in loops), cell.id


def imported(tree: ast.AST) -> dict[str, object]:
    """What the imports of a cell bind."""
    found: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: importlib.import_module(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(package, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                found[alias.asname or alias.name] = getattr(package, alias.name)
    return found


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_everything_that_a_notebook_uses_of_its_modules_exists(path: Path) -> None:
    tree = ast.parse("\n".join(cell.source for cell in code_cells(read(path))))
    modules = {name: value for name, value in imported(tree).items() if isinstance(value, ModuleType)}
    used = [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    ]
    assert used
    assert [f"{module}.{name}" for module, name in used if not hasattr(modules[module], name)] == []


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_committed_outputs_are_whole_small_and_of_no_machine(path: Path) -> None:
    notebook = read(path)
    assert path.stat().st_size < LARGEST
    assert [one for one in outputs(notebook) if one.output_type == "error"] == []
    assert [one for one in outputs(notebook) if one.get("name") == "stderr"] == []
    assert [cell.execution_count for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))
    silent = [cell.id for cell in code_cells(notebook)[1:] if not cell.outputs]
    assert silent == []
    assert all("execution" not in cell.metadata for cell in notebook.cells)
    texts = [
        one.get("text", "") + str({k: v for k, v in one.get("data", {}).items() if k != "image/png"})
        for one in outputs(notebook)
    ]
    assert [text for text in texts if MACHINE.search(text)] == []


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_committed_figures_have_a_text_and_are_named(path: Path) -> None:
    notebook = read(path)
    pictures = [one for one in outputs(notebook) if "image/png" in one.get("data", {})]
    said = printed(notebook)
    for name in FIGURES[path.stem]:
        assert f"({name}.png, {name}.pdf)" in said
    assert len(pictures) >= len(FIGURES[path.stem])
    for picture in pictures:
        alt = picture.metadata["image/png"]["alt"]
        assert len(alt) > 30
        assert alt in said, "the caption stands below its figure"
        assert picture.data["text/plain"] == alt


# Execution.


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three small evaluations of the shipped base, warmer ones for errors of every class."""
    folder = tmp_path_factory.mktemp("runs")
    for name, changes in RUNS.items():
        arguments = [*SIZES, *changes, f"out={folder / name}"]
        assert command(EvalSettings, "eval.runner:evaluate", arguments, prog="python -m eval", summary="") == 0
    return ",".join(str(folder / name) for name in RUNS)


def said_by_functions(name: str, runs: str) -> list[str]:
    """Key sentences as the functions give them for the same runs."""
    if name.startswith("05"):
        return read_table(HERE.parent / "results" / "oracles_mini").overall()
    if name.startswith("06"):
        return [real_rows.answer(real_rows.checked()), real_rows.NO_FOLDER]
    views = open_runs(runs).views
    if name.startswith("01"):
        numbers = report_numbers.numbers_of(views)
        last = numbers.comparisons[-1]
        repaired = summary.repair_sentence(last, "perception")
        assert repaired is not None
        return [summary.errors_sentence(numbers, "base"), repaired]
    if name.startswith("02"):
        return looking.score_sentences(looking.score_runs(views, 96, 0), "k1")
    if name.startswith("03"):
        numbers = report_numbers.numbers_of(views[1:])
        none = "No training curves for base, warm, hot: there is no metrics.jsonl beside the evaluation."
        return [summary.run_sentence(numbers.comparisons[0]), none]
    calibration = simulated.errors_of(views[:-1], 400, 0, balanced=True).items
    target = simulated.errors_of(views[-1:], 300, 0).items
    habits = simulated.Habits()
    record = simulated.record_of(simulated.simulate(target, habits), simulated.simulate(calibration, habits))
    rates = simulated.rate_frame(record, simulated.true_shares(target))
    return [*simulated.rate_sentences(rates), "No labels of a real judge here:"]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_a_notebook_runs_on_small_runs(path: Path, small_runs: str, tmp_path: Path) -> None:
    notebook = execute(path, {"PERCEPT_RUNS": small_runs, "PERCEPT_OUT": str(tmp_path)}, timeout_s=300)
    for name in FIGURES[path.stem]:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    said = printed(notebook)
    for sentence in said_by_functions(path.stem, small_runs):
        assert " ".join(sentence.split()) in said
    html = html_of(notebook, path.stem)
    assert html.count("<img ") == html.count('alt="') == len(re.findall(r'alt="[^"]{30,}"', html))
    assert "http://" not in html
    assert "https://" not in html
    assert "<table>" in html
    assert "<script" not in html


def small_notebook(folder: Path, *sources: str) -> Path:
    cells = [new_code_cell(source, id=f"x-{number}") for number, source in enumerate(sources, start=1)]
    path = folder / "small.ipynb"
    write(new_notebook(cells=cells), path)
    return path


@pytest.mark.slow
def test_a_kernel_is_this_interpreter_in_the_root_with_the_variables(tmp_path: Path) -> None:
    source = (
        "import os, sys\nprint(sys.executable == {!r}, os.getcwd() == {!r}, os.environ['PERCEPT_RUNS'])\n"
        "print('aside', file=sys.stderr)\nprint('last')\n'value'"
    )
    path = small_notebook(tmp_path, source.format(sys.executable, str(HERE.parent)))
    (cell,) = execute(path, {"PERCEPT_RUNS": "a,b"}).cells
    assert [one.output_type for one in cell.outputs] == ["stream", "execute_result"]
    assert cell.outputs[0].text == "True True a,b\nlast\n"
    assert "execution" not in cell.metadata


@pytest.mark.slow
def test_a_failing_cell_is_one_sentence_and_leaves_the_file(tmp_path: Path) -> None:
    failing = "from common import UserError\nraise UserError('no such run;\\n make it')"
    path = small_notebook(tmp_path, "x = 1", failing)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"^notebook small stopped in cell x-2 by UserError: no such run; make it$"):
        execute(path, {})
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_cell_that_takes_too_long_is_named(tmp_path: Path) -> None:
    path = small_notebook(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(UserError, match=r"small: cell x-1 took longer than 1 s; give timeout_s=<more>"):
        execute(path, {}, timeout_s=1)


def test_what_is_no_notebook_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.ipynb"
    path.write_text("{")
    with pytest.raises(UserError, match=r"broken\.ipynb is no notebook"):
        execute(path, {})


def test_an_execution_leaves_the_tree_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    monkeypatch.setattr("notebooks.execute.execute", lambda path, *_: read(path))
    monkeypatch.setattr("notebooks.execute.write", lambda notebook, path: written.append(path))
    run(NotebookSettings(out=str(tmp_path)))
    assert written == [tmp_path / path.name for path in PATHS]


def test_names_pick_notebooks() -> None:
    assert [path.stem for path in notebooks_of("")] == NAMES
    assert [path.stem for path in notebooks_of("3, 01,03_compare_two_runs.ipynb")] == [NAMES[2], NAMES[0]]
    with pytest.raises(UserError, match="no notebook '7'; there are 01_perception_errors"):
        notebooks_of("7")


@pytest.mark.slow
def test_the_command_writes_copies_and_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small_notebook(tmp_path, "import os\nprint('<b>', os.environ['PERCEPT_OUT'] != '')")
    monkeypatch.setattr("notebooks.execute.HERE", tmp_path)
    monkeypatch.setattr("notebooks.execute.html_of", lambda notebook, title: title)
    path.rename(tmp_path / "09_small.ipynb")
    run(NotebookSettings(names="9", out=str(tmp_path / "out"), html=True))  # by default no file of the tree changes
    assert read(tmp_path / "out" / "09_small.ipynb").cells[0].outputs[0].text == "<b> True\n"
    assert read(tmp_path / "09_small.ipynb").cells[0].outputs == []
    assert (tmp_path / "out" / "09_small.html").read_text() == "09_small"


def test_paths_are_given_to_the_kernel_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = environment(NotebookSettings(runs="a, b/c", out="figures"))
    assert given == {"PERCEPT_RUNS": f"{tmp_path}/a,{tmp_path}/b/c", "PERCEPT_OUT": f"{tmp_path}/figures"}


def test_pieces_of_printed_text_are_one_output() -> None:
    def stream(text: str) -> NotebookNode:
        return NotebookNode(output_type="stream", name="stdout", text=text)

    shown = NotebookNode(output_type="display_data", data={}, metadata={})
    found = joined([stream("a\n"), stream("b\n"), shown, stream("c\n")])
    assert [one.get("text") for one in found] == ["a\nb\n", None, "c\n"]


def test_text_of_models_is_shown_as_text() -> None:
    shown = Shown("<script>", ["<b>"], [["<img src=x>", "1"]], emphasis=[0])
    html = shown._repr_html_()
    assert "<script>" not in html
    assert "&lt;img src=x&gt;" in html
    assert "<b>&lt;img" in html


def test_a_sign_of_percent_stays_with_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{'x ' * 52}75.0 % of them", None)
    first, second = capsys.readouterr().out.splitlines()
    assert second.startswith("  75.0 % of")
    assert "75" not in first


def test_tables_of_the_report_and_frames_look_alike() -> None:
    frame = table(pd.DataFrame({"a": [1], "b": ["x"]}), "Caption")
    record = table(Table("Caption", "more", ["a", "b"], [["1", "x"]]))
    assert (frame.header, frame.rows) == (["a", "b"], [["1", "x"]]) == (record.header, record.rows)
    assert (frame.caption, record.caption) == ("Caption", "Caption. more")


def test_labels_of_a_real_judge_are_read_where_there_are_any(tmp_path: Path) -> None:
    assert simulated.real_sentences("")[0].startswith("No labels of a real judge here: PERCEPT_LABELS names no")
    assert "holds no labels.jsonl" in simulated.real_sentences(str(tmp_path))[0]
    rows = [
        {
            "key": str(item),
            "pass": number,
            "cluster": str(item),
            "truth": None,
            "label": label,
            "reason": "labelled",
            "quote_stands": None,
        }
        for item, label in enumerate(["perception", "perception", "format", "reasoning"])
        for number in (1, 2)
    ]
    write_jsonl(tmp_path / "labels.jsonl", rows)
    said = " ".join(simulated.real_sentences(str(tmp_path)))
    assert "4 responses have two labels" in said
    assert "perception: the judge says 50.0 [" in said
