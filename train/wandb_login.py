"""Whether W&B can be reached, before a model is loaded for a run that it could not log."""

from common import UserError

INSTEAD = "or set keep.wandb=offline and send the run later with: wandb sync <run>/wandb/offline-run-*"
TIMEOUT_S = 15


def check_login() -> None:
    """Refuse keep.wandb=online without a key or without the server's answer to it."""
    import wandb
    from wandb.errors import CommError, UsageError

    if not wandb.api.api_key:
        raise UserError(f"keep.wandb=online finds no W&B key; run wandb login, {INSTEAD}")
    try:
        account = wandb.Api(timeout=TIMEOUT_S).viewer
    except (CommError, UsageError, OSError, ValueError) as error:  # requests' errors are OSErrors
        why = next(iter(str(error).splitlines()), "")
        raise UserError(f"keep.wandb=online cannot reach W&B ({why}); check network and key, {INSTEAD}") from None
    if account is None:
        raise UserError(f"keep.wandb=online: W&B does not know this key; run wandb login --relogin, {INSTEAD}")
