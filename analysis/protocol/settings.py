"""Settings of the protocol."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class ProtocolSettings:
    """Two evaluations of the same items; what is said of the second is said against the first."""

    first: str = setting(help="folder of the first evaluation, the baseline")
    second: str = setting(help="folder of the second evaluation, on the same items")
    resampled: str = setting("", "folder of the baseline evaluated with another seed; empty = its other responses")
    sample: int = setting(50, "items of the small McNemar test (Perception-R1: 50)", bounds="[1, inf)")
    seed: int = setting(0, "seed of the resampling and of the small sample")
    out: str = setting("", "folder of protocol.md, .json and .csv files; empty = the second evaluation's folder")
