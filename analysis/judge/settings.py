"""What the commands of this room can be told."""

from dataclasses import dataclass

from configs import setting
from verify.llm_judge import JudgeSettings


@dataclass(frozen=True)
class JudgeClassesSettings:
    """One classification of wrong responses by a judge."""

    eval: str = setting(help="folder of an evaluation; several with commas are drawn from together")
    out: str = setting(help="folder of the labels and their summary")
    items: int = setting(200, "wrong responses to classify, drawn at random; 0 = all", bounds="[0, inf)")
    verdict: str = setting("correct", "column of the predictions that says which responses are wrong")
    balanced: bool = setting(False, "mini world: as many responses of every true class, for a calibration")
    seed: int = setting(0, "seed of the draw, of both orders and of the resampling", bounds="[0, inf)")
    picture_side: int = setting(
        1024,
        "longest side of a picture for the judge, in pixels; 0 = a judge of text alone",
        bounds="[0, inf)",
    )
    calibration: str = setting("", "folder of a result on the mini world by the same judge; corrects the class rates")
    judge: JudgeSettings = setting(factory=JudgeSettings, help="the judge")


@dataclass(frozen=True)
class LabellingSettings:
    """One page to label on or, with `labels`, the agreement of what was saved there."""

    eval: str = setting(help="folder of an evaluation; several with commas are mixed, the page does not tell which")
    items: int = setting(200, "wrong responses on the page, drawn at random; 0 = all", bounds="[0, inf)")
    out: str = setting(help="file of the page; with labels= the file of the agreement, Markdown")
    verdict: str = setting("correct", "column of the predictions that says which responses are wrong")
    seed: int = setting(
        0, "seed of the draw, which is also the order on the page, and of the resampling", bounds="[0, inf)"
    )
    picture_side: int = setting(640, "longest side of a picture, in pixels", bounds="[1, inf)")
    labels: list[str] = setting(factory=list, help="files that the page has saved, one per person: read these instead")
    judge: str = setting("", "with labels: folder of analysis.judge.classes to compare with")
