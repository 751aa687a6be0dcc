"""Send a report to W&B: a run of job type analysis in the group of the last run, the page as an artifact.

Only runs that W&B knows (wandb.json) have such a run. The page on disk is complete before it is sent.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.runs import OpenedRun
from configs.wandb_run import WandbRun


def send(page: Path, views: Sequence[OpenedRun]) -> None:
    """Log a report of opened runs; what W&B refuses is said."""
    trainings = [found for view in views if (found := WandbRun.of(view.home))]
    if not trainings:
        return
    import wandb
    from wandb.errors import CommError, UsageError

    last = trainings[-1]
    own = replace(last, name=f"{last.group}/{page.stem}")
    config = {"runs": [str(view.folder) for view in views], "trained_by": [one.id for one in trainings]}
    try:
        run = own.open(page.with_suffix(""), "analysis", tags=[one.name for one in trainings], config=config)
        if own.mode == "online":  # W&B takes what a run uses from its server alone
            for found in filter(None, (WandbRun.of(view.results) for view in views)):
                run.use_artifact(f"predictions-{found.id}:latest")
        artifact = wandb.Artifact(f"report-{run.id}", "report")
        artifact.add_file(str(page), policy="immutable")  # no copy beside the page
        run.log_artifact(artifact)
        run.finish()
    except (CommError, UsageError, OSError) as error:
        why = next(iter(str(error).splitlines()), "")
        print(f"W&B does not have this report ({why}); {page} is complete", file=sys.stderr)
