"""The claims ledger: what papers claim, tested on finished runs."""
