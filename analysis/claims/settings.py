"""Settings of the claims ledger."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class ClaimsSettings:
    """Which claims are tested, and on what."""

    claims: list[str] = setting(factory=list, help="ids of configs/claims.yaml, as in [C2,C11a]; empty = all")
    scale: str = setting("mini", "whose runs, a scale of the tables", group=False)
    runs: str = setting("", "folder of run folders, as in runs=runs; empty = the committed tables of results/")
    out: str = setting("", "folder of claims.md and claims.json, as in out=results/claims; empty = print")
