"""`python -m notebooks 01 html=true`: execute the notebooks on evaluated runs; without a name, all of them."""

import sys

from configs import command
from notebooks.settings import NotebookSettings

if __name__ == "__main__":
    sys.exit(
        command(
            NotebookSettings,
            "notebooks.execute:run",
            sys.argv[1:],
            prog="python -m notebooks",
            summary=str(__doc__),
            positional=["names"],
        )
    )
