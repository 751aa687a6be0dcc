"""Weight pieces: from the step's table to W, on any loss term. A new one is a file and a line here."""

from train.weights.anchors import Anchors
from train.weights.cgpo import Cgpo
from train.weights.controls import Position, Random, Shuffled, Uniform
from train.weights.correct import Correct
from train.weights.dependence import Dependence
from train.weights.entropy_gain import EntropyGain
from train.weights.gate import Gate
from train.weights.levels import Levels
from train.weights.marked import Marked, Penalty
from train.weights.pepo import Pepo
from train.weights.piece import Weight
from train.weights.prompt_score import PromptScore
from train.weights.roles import Roles
from train.weights.smooth import Smooth
from train.weights.top import Top
from train.weights.unsure import Unsure
from train.weights.vepo import Vepo
from train.weights.vgpo import Vgpo
from train.weights.visual_advantage import VisualAdvantage

WEIGHTS: dict[str, type[Weight]] = {
    "top": Top,
    "dependence": Dependence,
    "gate": Gate,
    "levels": Levels,
    "pepo": Pepo,
    "vgpo": Vgpo,
    "vepo": Vepo,
    "cgpo": Cgpo,
    "entropy_gain": EntropyGain,
    "prompt_score": PromptScore,
    "correct": Correct,
    "anchors": Anchors,
    "visual_advantage": VisualAdvantage,
    "random": Random,
    "uniform": Uniform,
    "position": Position,
    "shuffled": Shuffled,
    "smooth": Smooth,
    "marked": Marked,
    "penalty": Penalty,
    "unsure": Unsure,
    "roles": Roles,
}
