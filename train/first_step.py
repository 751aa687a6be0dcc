"""What a run's first step learnt from, in one file from which an outsider can recompute it."""

import json
from pathlib import Path

from common import atomic_path
from train.distributed import Ranks
from train.experience import Rows
from train.scoring.step import Step
from train.scoring.weighing import gathered, token_ids
from train.table.step_table import padded

NAME = "first_step.safetensors"


def write_first_step(run: Path, step: Step, old: Rows, ranks: Ranks) -> None:
    """Write the step's rows: token ids, scores, advantages, W, rewards [N, T] and [N]; ids and roles as metadata.

    `logp` is the old log-prob of every row; a score that only this step's first update made is there all the same.
    """
    from safetensors.torch import save_file

    experience, weighed = step.experience, step.weighed
    width = weighed.table.mask_NT.shape[1]
    scores = {**step.fixed, "logp": old}
    columns = {
        f"score/{name}": padded(gathered(rows, ranks), width) for name, rows in scores.items() if name != "engine.logp"
    }
    if not ranks.main:
        return
    columns |= {f"weights/{name}": value for name, value in weighed.by_piece.items()}
    columns |= {f"mark/{name}": value for name, value in weighed.table.marks.items()}
    columns |= {f"reward/{name}": value for name, value in experience.reward_terms.items()}
    columns |= {f"advantage/{n}": value for n, value in enumerate(weighed.advantages)}
    columns |= {
        "token_ids": token_ids(experience, width),
        "mask": weighed.table.mask_NT,
        "reward": experience.reward_N,
        "accuracy": experience.accuracy_N,
        "prompt": experience.prompt_N,
        "group": experience.group_N,
        "role": experience.role_N,
    }
    blocks = [{"sample": b.sample.id, "rows": [b.rows.start, b.rows.stop], "role": b.role} for b in experience.blocks]
    metadata = {"blocks": json.dumps(blocks), "roles": json.dumps(experience.roles)}
    with atomic_path(run / NAME) as path:
        save_file({name: value.contiguous() for name, value in columns.items()}, path, metadata=metadata)
