"""Loss terms: one file each, settings, needs and equation inside. A new one is a file and a line here.

The five fixed fields of `losses` are terms by their own names; every other kind is named under `losses.terms`.
"""

from train.losses.buckets import Buckets
from train.losses.contrast import Contrast
from train.losses.distill import Distill
from train.losses.hold import Hold
from train.losses.imitate import Imitate
from train.losses.likelihood import EntropySettings, NllSettings
from train.losses.perception import PerceptionKlSettings
from train.losses.ppo import PpoSettings
from train.losses.reference import ReferenceKlSettings
from train.losses.replay import Replay
from train.losses.sharpen import Sharpen
from train.losses.steer import Steer
from train.losses.term import Term

TERMS: dict[str, type[Term]] = {
    "distill": Distill,
    "contrast": Contrast,
    "hold": Hold,
    "imitate": Imitate,
    "replay": Replay,
    "steer": Steer,
    "sharpen": Sharpen,
    "buckets": Buckets,
}

FIXED: tuple[type[Term], ...] = (PpoSettings, ReferenceKlSettings, PerceptionKlSettings, EntropySettings, NllSettings)
EMITTED = tuple(name for term in (*FIXED, *TERMS.values()) for name in term.emits)
