"""Where a server samples for us."""

from dataclasses import dataclass

from common.endpoint import LOCAL_URL
from configs import setting


@dataclass(frozen=True)
class ServerSettings:
    """Where a server samples for us; its key is read from PERCEPT_SERVER_KEY."""

    base_url: str = setting(LOCAL_URL, "address of a vLLM server for the model that is evaluated")
    model: str = setting("", "name of the model there; empty = the only one it serves")
    workers: int = setting(32, "requests under way at the same time", bounds="[1, inf)")
    timeout_s: float = setting(600.0, "limit of one try", bounds="(0, inf)")
    total_s: float = setting(1800.0, "limit of one request with all its tries and waits", bounds="(0, inf)")
