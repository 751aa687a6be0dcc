"""Settings of the score bench."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class ScoreBenchSettings:
    """Runs whose responses are scored; each under the weights that gave them."""

    runs: list[str] = setting(help="run folders or folders of evaluations, of a benchmark that knows its facts")
    responses: int = setting(30, "first responses of each column that are scored", bounds="[1, inf)")
    batch: int = setting(32, "responses that pass the model together", bounds="[1, inf)")
    seed: int = setting(0, "seed of the views")
    out: str = setting("runs/score_bench", "folder of scores.csv, scores.md, scores.png and tokens.parquet")
