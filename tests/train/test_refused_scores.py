"""A score that a run does not have is refused with the piece that reads it and the setting that mends it."""

import pytest

from common import UserError
from configs import compose
from train.checks import check
from train.settings import TrainSettings

TOP = ["method=grpo", "weights.mine.kind=top"]
HOLD = ["method=papo_g", "losses.terms.near.kind=hold", "losses.terms.near.view=maskd"]
CASES = {
    "no views": (
        TOP,
        "weights.mine reads 'k3@masked', but `views` has no view 'masked'; add it, for example "
        "views.masked.kind=patch_black",
    ),
    "another view": (
        HOLD,
        "losses.terms.near reads 'logp@maskd', but `views` has no view 'maskd'; add it, for example "
        "views.maskd.kind=patch_black, or name another view in losses.terms.near.view: did you mean 'masked'?",
    ),
    "a fixed term": (
        ["method=papo_g", "losses.perception_kl.view=maskd"],
        "losses.perception_kl reads 'logp@maskd', but `views` has no view 'maskd'; add it, for example "
        "views.maskd.kind=patch_black, or name another view in losses.perception_kl.view: did you mean 'masked'?",
    ),
    "two views": (
        [*TOP, "weights.mine.score=js"],
        "weights.mine reads 'js', which compares two views; name one in weights.mine.score, for example js@masked",
    ),
    "no view": (
        [*TOP, "weights.mine.score=k3"],
        "weights.mine.score: score 'k3' compares two views; name one, for example k3@masked",
    ),
    "no score": (
        [*TOP, "weights.mine.score=entropi@masked"],
        "weights.mine.score: no score 'entropi' in 'entropi@masked'; did you mean 'entropy'?",
    ),
    "no teacher": (
        [*TOP, "weights.mine.score=teacher.entropy"],
        "weights.mine reads 'teacher.entropy', but the run has no teacher; add teacher.name=<a file of "
        "configs/models>, or teacher_follows=0.05 for an average of the policy itself",
    ),
    "a divergence's": (
        ["method=vgs", "teacher=tiny", "views.none=null", "weights.gate=null"],
        "losses.terms.steer reads 'logp@none', but `views` has no view 'none'; add it, for example "
        "views.none.kind=patch_black",
    ),
    "of the engine": (
        [*TOP, "weights.mine.score=engine.entropy"],
        "weights.mine reads 'engine.entropy', but of the engine there is logp alone; name another score in "
        "weights.mine.score",
    ),
    "with gradient": (
        ["method=cfpo_g", "losses.perception_kl.gradient=both"],
        "losses.perception_kl reads 'logp@counterfactual', but of views.counterfactual there is only the policy's "
        "logp without gradient; name another view in losses.perception_kl.view, or set "
        "losses.perception_kl.gradient=clean",
    ),
    "left out": (
        ["method=srpo", "losses.terms.near.kind=hold", "losses.terms.near.view=unread"],
        "losses.terms.near reads 'logp@unread', and only weights may: it lacks tokens of the response; change "
        "losses.terms.near.view",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_names_the_piece_the_score_and_the_setting(case):
    options, said = CASES[case]
    with pytest.raises(UserError) as caught:
        check(compose(TrainSettings, ["scale=mini", *options]))
    assert str(caught.value) == said
