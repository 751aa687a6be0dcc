"""The mini world: small pictures whose truth is known, in nine columns that mirror the paper's Table 1."""
