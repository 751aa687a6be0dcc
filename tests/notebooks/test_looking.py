"""Examples to look at, a sample of responses under two views, and its drawings, with the shipped model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.dependency.cells import patch_effects
from analysis.dependency.profile import by_outcome
from analysis.figures import png
from analysis.runs import OpenedRun, open_runs
from common import UserError
from configs import command
from data.views import PatchBlack
from eval.settings import EvalSettings
from models.dependency import score_two_views
from models.kl import k1
from notebooks import looking
from notebooks.examples import UNSEEN, example_table, examples, examples_figure
from notebooks.looking import Scored
from notebooks.looking_figures import attention_figure, effects_figure, heat_figure, lines_of


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> list[OpenedRun]:
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        arguments = ["model=tiny", "items=5", "k=2", "page=0", f"seed={seed}", f"out={folder / f'run{seed}'}"]
        assert command(EvalSettings, "eval.runner:evaluate", arguments, prog="python -m eval", summary="") == 0
    return open_runs(f"{folder}/run0,{folder}/run1").views


@pytest.fixture(scope="module")
def scored(views: list[OpenedRun]) -> list[Scored]:
    return looking.score_runs(views, items=12)


def test_examples_are_the_first_of_every_column(views: list[OpenedRun]) -> None:
    found = examples(views, 6)
    own = views[0].predictions
    wrong = own[own.state == "perception"].sort_values(["column", "sample_id", "k"]).drop_duplicates("column")
    assert {one.sample.id for one in found} <= set(own[own.state == "perception"].sample_id)
    assert [one.column for one in found] == sorted(set(wrong.column))[:6]
    assert [one.sample.id for one in found] == wrong.sample_id.tolist()[:6]
    for one in found:
        assert any(not fact.ok for fact in one.facts)
        same = own[own.sample_id == one.sample.id]
        assert one.others[views[0].name] == f"right in {same.correct.sum()} of 2"
    table = example_table(found)
    false = next(fact for fact in found[0].facts if not fact.ok)
    assert f"{false.name} = {false.stated} (true: {false.truth or 'no such fact'})" in table["stated facts"][0]
    assert not table.question.str.contains("<image>").any()
    assert png(examples_figure(found)).startswith(b"\x89PNG")


def test_an_example_whose_picture_is_gone_says_so(views: list[OpenedRun]) -> None:
    class Gone:
        def open(self) -> None:
            raise UserError("gone")

    (one,) = examples(views, 1)
    gone = replace(one, sample=replace(one.sample, images=[Gone()]))  # type: ignore[list-item]
    assert gone.picture is None
    figure = examples_figure([gone])
    assert UNSEEN in " ".join(text.get_text() for text in figure.axes[0].texts).replace("\n", " ")


def test_runs_are_scored_on_the_same_items_as_the_function_itself_scores(
    views: list[OpenedRun], scored: list[Scored]
) -> None:
    first, second = scored
    assert list(first.scores) == list(second.scores) == looking.drawn_ids(views[0], 12, 0)
    assert looking.drawn_ids(views[0], 12, 0)[:5] == looking.drawn_ids(views[0], 5, 0)
    name = next(iter(first.scores))
    ids = first.responses.token_ids[name]
    (alone,) = score_two_views(first.model, [first.samples[name]], [ids], PatchBlack(), 0)
    assert torch.allclose(alone.logprobs_T, first.scores[name].logprobs_T, atol=1e-5)
    assert torch.allclose(alone.masked_logprobs_T, first.scores[name].masked_logprobs_T, atol=1e-5)
    assert first.of(name).k1.to_numpy() == pytest.approx(
        k1(alone.logprobs_T, alone.masked_logprobs_T).numpy(), abs=1e-4
    )


def test_sentences_and_tables_hold_the_means(scored: list[Scored]) -> None:
    said = looking.score_sentences(scored, "k1")
    mean = scored[0].tokens.groupby("sample_id").k1.mean().mean()
    assert f"costs a token {mean:.2f} nats [" in said[0]
    name = looking.shared_example(scored)
    assert all((one.of(name).word_class == "fact").any() for one in scored)
    table = looking.token_table(scored[0], name)
    assert table["k1"].tolist() == [looking.number(value) for value in scored[0].of(name).k1]
    assert "-0.000" not in table.to_string()
    assert "<image>" not in looking.question_of(scored[0], name)
    profiles = looking.profiles(scored, by_outcome, "k1")
    texts = looking.profile_table(profiles)
    assert texts.columns.tolist() == ["run", "outcome", "nats", "responses", "tokens"]
    assert texts.nats[0].startswith(f"{profiles[scored[0].run]['mean'][0]:.3f}")


def test_numbers_that_round_to_nothing_have_no_sign() -> None:
    assert [looking.number(value) for value in (-0.0004, -0.0006, 1.0)] == ["0.000", "-0.001", "1.000"]
    assert looking.number(-0.004, 2) == "0.00"


def test_the_patch_map_is_of_the_fact_that_leans_most(scored: list[Scored]) -> None:
    one, name = scored[0], looking.shared_example(scored)
    tokens = one.of(name)
    position = looking.leaning_fact(tokens)
    assert tokens.word_class.iloc[position] == "fact"
    assert tokens.k1.iloc[position] == tokens[tokens.word_class == "fact"].k1.max()
    assert looking.leaning_fact(tokens.assign(word_class="other")) == 0
    found = looking.fact_effects(one, name)
    alone = patch_effects(one.model, one.samples[name], one.scores[name].token_ids, position, (4, 4))
    assert found.effects == pytest.approx(alone, abs=1e-5)
    assert found.token == tokens.text.iloc[position].strip()
    row, column = np.unravel_index(int(alone.argmax()), alone.shape)
    assert f"the cell in row {row + 1}, column {column + 1} costs it" in looking.patch_sentence(found)


def test_attention_has_a_row_per_run_layer_and_measure(scored: list[Scored]) -> None:
    rows = looking.attention_rows(scored, 3)
    assert len(rows) == 2 * 2 * rows.layer.nunique()
    assert rows[rows.measure == "mass"]["mean"].between(0, 1).all()
    assert rows.responses.unique().tolist() == [3]
    said = looking.attention_sentence(rows)
    mass = rows[rows.measure == "mass"]["mean"]
    assert f"between {mass.min():.2f} and {mass.max():.2f} of a token's attention" in said
    assert "differ most" in said
    assert "differ" not in looking.attention_sentence(rows[rows.run == rows.run[0]])
    assert png(attention_figure(rows)).startswith(b"\x89PNG")


def test_the_heat_map_shows_every_token_of_every_run_shaded(scored: list[Scored]) -> None:
    name = looking.shared_example(scored)
    figure = heat_figure(scored, name)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == [text.strip() or "␣" for text in scored[0].of(name).text]
    assert len({text.get_bbox_patch().get_facecolor() for text in figure.axes[0].texts}) > 2
    assert png(effects_figure([looking.fact_effects(one, name) for one in scored])).startswith(b"\x89PNG")
    assert lines_of(["word"] * 100) == 5
    with pytest.raises(UserError, match="no scored response to nothing"):
        heat_figure(scored, "nothing")


def test_runs_without_tokens_and_items_are_refused(views: list[OpenedRun], scored: list[Scored]) -> None:
    bare = replace(views[0], predictions=views[0].predictions.drop(columns="token_ids"))
    with pytest.raises(UserError, match="run0 have no token_ids"):
        looking.score_run(bare, 3, 0)
    empty = replace(views[0], predictions=views[0].predictions.assign(token_ids=[[]] * len(views[0].predictions)))
    with pytest.raises(UserError, match="no response of run0 can be scored"):
        looking.score_run(empty, 3, 0)
    with pytest.raises(UserError, match="no item has a response of every run"):
        looking.shared_example([scored[0], replace(scored[1], scores={})])


def test_what_cannot_be_scored_is_told(views: list[OpenedRun]) -> None:
    ids = looking.drawn_ids(views[0], 4, 0)
    frame = views[0].predictions
    tokens = [[] if row.sample_id == ids[0] and row.k == 0 else row.token_ids for row in frame.itertuples()]
    found = looking.score_run(replace(views[0], predictions=frame.assign(token_ids=tokens)), 4, 0)
    assert ids[0] not in found.scores
    assert list(found.scores) == ids[1:]
    assert any("1 of 4: tokens not scored: its response holds no tokens." in one for one in found.left_out)
    assert found.left_out[0] in looking.score_sentences([found])
