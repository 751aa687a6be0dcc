"""`python -m models.tiny.teach`: make the tiny base model by supervised lessons on the mini world (`make base`).

A stopped course goes on from its last kept step. models/tiny/teacher.py says what makes so small a model see.
"""

import sys

from configs import command
from models.tiny.settings import BaseSettings

if __name__ == "__main__":
    prog, run = "python -m models.tiny.teach", "models.tiny.teacher:make_base"
    sys.exit(command(BaseSettings, run, sys.argv[1:], prog=prog, summary=str(__doc__)))
