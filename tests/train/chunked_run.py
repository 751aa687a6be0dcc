"""`python -m train` with a head that works in chunks of 40 tokens, as that of a large vocabulary does in many."""

import runpy

import models.head

CHUNK_TOKENS, VOCABULARY = 40, 770

if __name__ == "__main__":
    models.head.CHUNK_NUMBERS = CHUNK_TOKENS * VOCABULARY
    runpy.run_module("train", run_name="__main__")
