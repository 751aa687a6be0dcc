"""Which tokens state a fact of the picture, from exact spans of the sampled tokens' own texts."""

from train.marks import marked, stated_spans

FACTS = ["width is 5", "red circles is 3", "sign is +"]


def words(text: str, mark: str) -> list[str]:
    return [text[start:end] for start, end in stated_spans(text, FACTS)[mark]]


def test_true_and_false_statements_of_the_picture_are_told_apart():
    text = "<think> look : width = 5 , red circles = 4 , depth = 9 . 5 + 3 = 8 </think> \\boxed{8}"
    assert words(text, "fact") == ["5"] and words(text, "false") == ["4"]
    assert words("The width is 5. The red circles is 3", "fact") == ["5", "3"]


def test_a_number_that_begins_like_the_fact_is_another_number():
    assert words("width = 55 , width = 5.5 .", "fact") == [] and words("width = 55 ,", "false") == ["55"]
    assert words("bandwidth = 5 ,", "fact") == []


def test_a_statement_that_comes_twice_is_marked_twice():
    """The trap: the public code of Perceval finds the first occurrence of a quotation alone."""
    assert words("width = 6 , red circles = 3 , width = 6 .", "false") == ["6", "6"]


def test_signs_of_a_fact_are_no_pattern():
    assert words("sign = + , sign = - .", "fact") == ["+"] and words("sign = + , sign = - .", "false") == ["-"]


def test_tokens_are_marked_by_the_characters_that_they_add():
    texts = ["width", " =", " 1", "2", " ,", "<end>"]
    spans = [("".join(texts).index("12"), "".join(texts).index("12") + 2)]
    assert marked(texts, spans) == [0, 0, 1, 1, 0, 0]
    assert marked([" ", "1"], [(0, 1)]) == [0, 0]  # a space that a span begins with marks no token
