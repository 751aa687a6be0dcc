"""The LaTeX parser of math-verify, several times faster with the same results; imported only inside the worker.

Its grammar is ambiguous, and ANTLR's full prediction (LL), which keeps no memory of what it has worked out, takes
most of the time of a comparison. The weaker SLL prediction is remembered; by ANTLR's documentation it gives the same
tree or a syntax error, so the full prediction is kept for syntax errors.
"""

from antlr4.atn.PredictionMode import PredictionMode  # type: ignore[import-untyped]
from antlr4.error.ErrorListener import ErrorListener  # type: ignore[import-untyped]
from latex2sympy2_extended import latex2sympy2
from latex2sympy2_extended.antlr_parser import PSParser
from sympy import Basic


class _Rejected(Exception):
    """The weak prediction found a syntax error."""


class _RejectingListener(ErrorListener):
    def syntaxError(self, *details: object) -> None:
        raise _Rejected


class TwoStageParser(latex2sympy2._Latex2Sympy):
    """Tries the weak prediction first."""

    prediction = PredictionMode.SLL

    def parse(self, latex_str: str) -> Basic:
        self.prediction = PredictionMode.SLL
        try:
            return super().parse(latex_str)
        except _Rejected:
            self.prediction = PredictionMode.LL
            return super().parse(latex_str)

    def create_parser(self, latex_str: str) -> PSParser:
        parser = super().create_parser(latex_str)
        if self.prediction == PredictionMode.SLL:
            parser._interp.predictionMode = PredictionMode.SLL
            parser.removeErrorListeners()
            parser.addErrorListener(_RejectingListener())
        return parser


def use_two_stages() -> None:
    """Make the library's entry point use this parser; the class is looked up in its module at each call."""
    latex2sympy2._Latex2Sympy = TwoStageParser
