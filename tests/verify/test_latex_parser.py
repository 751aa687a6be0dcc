"""The two-stage LaTeX parser gives what the library's own one gives, errors included."""

import pytest
from antlr4.atn.PredictionMode import PredictionMode
from latex2sympy2_extended import latex2sympy2

from verify.latex_parser import TwoStageParser, _Rejected

LIBRARY_PARSER = latex2sympy2._Latex2Sympy
FORMULAS = (
    r"\frac{1+\sqrt{5}}{2}",
    r"-2x^{2}+y",
    r"\sin(47x)+14",
    r"14+\sin 47x",
    r"e^{82x}\ln 99",
    r"\ln(99)e^{82x}",
    r"\cos^2 x+3\tan x",
    r"y-3x=4",
    r"x<3",
    r"(-\infty,3)\cup[4,5]",
    r"\{1,2\}",
    r"|x-1|",
    r"5!",
    r"3,4",
    r"(1,2)",
    r"\log_{2} 8",
    r"\sqrt[3]{8}",
    r"50\%",
    r"1,000",
    r"3\frac{1}{2}",
    r"2 < x \le 5",
    r"x \in \{1,2\}",
    "2x y",
    "a/b",
    r"\int_0^1 x dx",
    r"\sum_{i=1}^{3} i",
    r"\lim_{x \to 0} x",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
    "f(x)(x+1)",
    r"45 \text{ and } 60",
    r"x=1 \text{ or } x=2",
    r"\binom{4}{2}",
    r"-\frac{-1}{2}",
    r"\sin x \cos x",
    "n!!",
    "x'",
)
BROKEN = (r"\frac12", r"\sqrt2", "12°", "(1", "+", "", r"\boxed{4", "x^", "1 + * 2", r"\frac{1}{", "}{", "&")


@pytest.mark.parametrize("formula", FORMULAS)
def test_same_tree(formula: str) -> None:
    expected = LIBRARY_PARSER().parse(formula)
    assert repr(TwoStageParser().parse(formula)) == repr(expected)


@pytest.mark.parametrize("formula", BROKEN)
def test_same_error(formula: str) -> None:
    with pytest.raises(Exception) as expected:  # the library raises nothing more special
        LIBRARY_PARSER().parse(formula)
    with pytest.raises(Exception) as raised:
        TwoStageParser().parse(formula)
    assert str(raised.value) == str(expected.value) and not isinstance(raised.value, _Rejected)


def test_the_weak_prediction_comes_first_and_the_full_one_only_after_an_error() -> None:
    parser = TwoStageParser()
    assert parser.create_parser("x")._interp.predictionMode == PredictionMode.SLL
    parser.parse("x+1")
    assert parser.prediction == PredictionMode.SLL
    with pytest.raises(Exception, match="something else"):
        parser.parse(r"\frac12")
    assert parser.prediction == PredictionMode.LL
