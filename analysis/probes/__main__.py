"""`python -m analysis.probes run=<run folder>`: counterfactual probes of a model.

They show what a model still answers when its picture is spoiled, swapped, or put into words.

masked, blank: the picture under a view; swapped, same_answer: another item's picture, with another or the same answer;
caption: a text instead of the picture; oracle: what a correct reading says, in words beside the picture. All probes
share seeds with `clean`, and every difference is taken on the items that both have.

The wrong responses on the clean picture are split by pairing each with the oracle's responses to the same item:
right when merely asked again = chance; right with the facts told, beyond that = did not see; still wrong with the
facts told = could not reason, or, where its chain still states a false fact (mini world), did not take up the text.
"""

import sys

from analysis.probes.settings import ProbeSettings
from configs import command
from eval.run_model import model_of_run


def main(argv: list[str]) -> int:
    prog = "python -m analysis.probes"
    run, own = "analysis.probes.run:probe", lambda: model_of_run(argv)
    return command(ProbeSettings, run, argv, prog=prog, summary=str(__doc__), defaults=own)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
