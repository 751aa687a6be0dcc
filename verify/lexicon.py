"""The word lists of the robust grader, in one place so that they can be read and argued about."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that may stand in a formula: a text with these only is no prose.
FUNCTIONS = words("sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh log ln lg exp max min gcd lcm det lim")
# Two-letter words that are never a product of two unknowns.
SHORT_WORDS = words("no up on in it he is of or if ok me we us go so to at by an as be do my")
# After these words a capital A is an option; before any other lower-case word it is an article.
AFTER_OPTION = words("because since as is are which for with due based given so and or but in on at by")
# Words behind a number that change it: such a tail is not a unit.
NOT_UNITS = words(
    "and or half quarter third thirds fourth fourths fifth fifths tenth tenths plus minus times over to squared cubed"
    " hundred thousand million billion trillion dozen pi sqrt infinity mod not is are if because but than then"
)
# Words behind a number that say nothing about its dimension.
NEUTRAL_UNITS = words("unit units about approximately of the in long exactly total only")
_COUNTING = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty"
)
_TENS = "thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS = {word: str(number) for number, word in enumerate(_COUNTING.split())} | {
    word: str(10 * number) for number, word in enumerate(_TENS.split(), start=3)
}
NUMBER_WORDS |= {
    f"{tens}-{one}": str(10 * (place + 2) + digit)
    for place, tens in enumerate(["twenty", *_TENS.split()])
    for digit, one in enumerate(_COUNTING.split()[1:10], start=1)
}
# Whole answers in words that have a notation, in lower case.
MEANINGS = {
    **dict.fromkeys(("no solution", "no solutions", "no real solution", "no real solutions"), r"\emptyset"),
    **dict.fromkeys(
        ("il n'y a pas de solution", "aucune solution", "keine lösung", "sin solución", "无解"), r"\emptyset"
    ),
    **dict.fromkeys(("all real numbers", "all reals", r"\mathbb{r}", r"\mathbb r"), r"(-\infty,\infty)"),
    **dict.fromkeys(("the empty set", "empty set", r"\{\}", r"\{ \}"), r"\emptyset"),
    "dne": "does not exist",
}
POWERS_OF_TEN = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
