"""What a hub holds for scale 3b, in miniature: the tiny weights, two shards of sums, PAPO's nine columns."""

import json
import shutil
import zipfile
from pathlib import Path

import pandas as pd

from eval.benchmarks import BENCHMARKS
from eval.suites import SUITES
from tests.eval.make_fixtures import FOLDER

TINY = Path(__file__).resolve().parents[1] / "models" / "tiny" / "base"


def weights(folder: Path) -> Path:
    shutil.copytree(TINY, folder)
    return folder


def training(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    for number in range(2):
        rows = [{"problem": f"{number} + {one}?", "answer": str(number + one), "images": []} for one in range(3)]
        pd.DataFrame(rows).to_parquet(folder / "data" / f"train-{number:05d}-of-00002.parquet")
    return folder


def suite(folder: Path) -> Path:
    """Rows in Parquet, pictures in archives, as PAPO's repository has them."""
    (folder / "data").mkdir(parents=True)
    for name in SUITES["papo_suite"]:
        (part,) = BENCHMARKS[name].parts
        rows = [json.loads(line) for line in (FOLDER / name / f"{part.file_name}.jsonl").read_text().splitlines()]
        pd.DataFrame(rows).to_parquet(folder / "data" / f"{part.split}-00000-of-00001.parquet")
        pictures = FOLDER / name / "data" / "images"
        with zipfile.ZipFile(folder / f"{part.split}_images.zip", "w") as packed:
            for path in sorted(one for one in pictures.rglob("*") if one.is_file()):
                packed.write(path, path.relative_to(pictures))
    return folder
