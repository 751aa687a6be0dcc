"""Write the fixtures of the benchmarks in test_benchmarks_1.py: own questions and drawings in the columns and types of
the real data sets, odd rows included. The result is kept in the repository.

Run: python -m tests.eval.make_fixtures [folder]
"""

import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from data.prompts import THINK_AND_BOX
from eval.benchmarks.papo import COLUMNS

Row = dict[str, Any]

FOLDER = Path(__file__).parent / "fixtures"
SIZE = 32
PALETTE = [255, 255, 255, 30, 30, 30, 190, 60, 50, 50, 90, 180]  # white, black, red, blue
TRIANGLE, BARS, DISCS = "images/triangle.png", "images/bars.png", "images/discs.png"
NO_ANSWER = "E. No correct answer"


def drawing(name: str) -> Image.Image:
    """One of three small pictures, in palette colours."""
    image = Image.new("P", (SIZE, SIZE), 0)
    image.putpalette(PALETTE)
    pen = ImageDraw.Draw(image)
    if name.endswith("triangle.png"):
        pen.polygon(((4, 27), (27, 27), (4, 6)), outline=1)
    elif name.endswith("bars.png"):
        for left, height in ((3, 9), (13, 21), (23, 14)):
            pen.rectangle((left, 29 - height, left + 5, 29), fill=3)
    else:
        for left, top in ((3, 3), (19, 5), (10, 19)):
            pen.ellipse((left, top, left + 9, top + 9), fill=2)
    return image


def mathvista(pid: int, question: str, answer: str, answer_type: str, **more: Any) -> Row:
    choices = more.get("choices")
    metadata = {
        "category": "math-targeted-vqa",
        "context": "bar chart",
        "grade": "elementary school",
        "img_height": SIZE,
        "img_width": SIZE,
        "language": more.get("language", "english"),
        "skills": more.get("skills", ["statistical"]),
        "source": "own",
        "split": "testmini",
        "task": "figure question answering",
    }
    lines = [f"({letter}) {text}" for letter, text in zip("ABCDEFGH", choices or [], strict=False)]
    labelled = "\n".join(["\nChoices:", *lines]) if lines else ""
    return {
        "pid": str(pid),
        "question": question,
        "image": BARS,
        "choices": choices,
        "unit": more.get("unit"),
        "precision": more.get("precision"),
        "answer": answer,
        "question_type": "multi_choice" if choices else "free_form",
        "answer_type": answer_type,
        "metadata": metadata,
        "query": f"Hint: give the value at the end.\nQuestion: {question}{labelled}",
    }


MATHVISTA = [
    mathvista(1, "Which bar is the tallest?", "middle", "text", choices=["left", "middle", "right"]),
    mathvista(2, "How high is the bar?", "9", "text", choices=["7", "9", "21"], skills=["statistical", "algebraic"]),
    mathvista(3, "Which side is equal?", "right", "text", choices=["left", "right", "right", "none"]),
    mathvista(4, "How old is the middle bar?", "21", "integer", unit="years"),
    mathvista(5, "What is the mean height?", "14.7", "float", precision=1.0),
    mathvista(6, "What share has the left bar?", "0.21", "float", precision=2.0),
    mathvista(7, "List the two smallest heights.", "[9, 14]", "list"),
    mathvista(8, "图中有几根柱子？", "3", "integer", language="chinese"),
    mathvista(9, "An item of the test split?", "", "integer"),
]


def mathverse(problem: int, kind: str, options: str, answer: str, versions: tuple[str, ...], first: int) -> list[Row]:
    full = f"In the right triangle one leg is {problem + 2}. What holds for the other?"
    texts = {
        "Text Dominant": full,
        "Text Lite": "What holds for the other leg?",
        "Vision Intensive": "Which one?",
        "Vision Dominant": "In the right triangle, which one?",
        "Vision Only": "",
    }
    rows = []
    for place, version in enumerate(versions):
        question = texts[version] + (f"\nChoices:\n{options}" if options and texts[version] else "")
        ask = "Reason first, then give the answer."
        rows.append(
            {
                "sample_index": str(first + place),
                "problem_index": str(problem),
                "problem_version": version,
                "question": question,
                "image": DISCS if version == "Vision Only" else TRIANGLE,
                "answer": answer,
                "question_type": kind,
                "metadata": {"split": "testmini", "source": "own", "subject": "Plane Geometry", "subfield": "Length"},
                "query_wo": f"Answer directly.\n{question}",
                "query_cot": f"{ask}\n{question}",
                "question_for_eval": full + (f"\nChoices:\n{options}" if options else ""),
            }
        )
    return rows


FIVE = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
MATHVERSE = [
    *mathverse(1, "multi-choice", "A:3\nB:4\nC:5\nD:6", "B", FIVE, 1),
    *mathverse(2, "free-form", "", "Area $=9 \\pi \\mathrm{cm}^{2}$", FIVE, 6),
    *mathverse(3, "multi-choice", "A:1\nB:2\nC:3", "(C)", FIVE[:1], 11),
    *mathverse(4, "multi-choice", "A:True\nB:False", "False", FIVE[:1], 12),
    *mathverse(5, "multi-choice", "A:1\nB:2\nC:3\nD:3.0", "C\nD", FIVE[:1], 13),
    *mathverse(6, "multi-choice", "A:north\nB:south", "053 ^\\circ T", FIVE[:1], 14),
]


def mathvision(identity: int, question: str, answer: str, options: list[str], level: int, subject: str) -> Row:
    return {
        "id": str(identity),
        "question": question,
        "options": options,
        "image": TRIANGLE,
        "answer": answer,
        "solution": None,
        "level": level,
        "subject": subject,
    }


MATHVISION = [
    mathvision(1, "Which figure fits? <image1>", "C", list("ABCDE"), 1, "transformation geometry"),
    mathvision(2, "How long is the side in <image1>?", "B", ["10", "20", "30", "40", "50"], 3, "metric geometry"),
    mathvision(3, "Where do the lines of <image1> and <image2> meet?", "(2, 3)", [], 4, "analytic geometry"),
    mathvision(4, "Which share is dark?", "\\frac{1}{2}", [], 5, "arithmetic"),
    mathvision(5, "How many sides are there?", "3", [], 1, "counting"),
]


def wemath_group(steps: int, number: int, golds: str, missing: str = "") -> list[Row]:
    """The items of one problem: steps 1, 2 (, 3), then the whole; `golds` are their letters in this order."""
    names = [*map(str, range(1, steps + 1)), "multi"]
    return [
        {
            "ID": f"{steps}steps_{number}",
            "split": "testmini",
            "knowledge concept": "Area of Squares" if name == "1" else "Circumference of Circles",
            "question": f"Step {name}: how large is the figure?",
            "option": f"A. B;    B. 12 cm;C. 3, 4; D. none of these; {NO_ANSWER}",
            "answer": gold,
            "image_path": DISCS,
            "key": f"{steps}steps_{name}",
            "question number": number,
            "knowledge concept description": "How large a figure is.",
        }
        for name, gold in zip(names, golds, strict=True)
        if name != missing
    ]


WEMATH = [
    *(row for number in range(1, 6) for row in wemath_group(2, number, "ABC")),
    *(row for number in range(1, 6) for row in wemath_group(3, number, "BADE")),
    *wemath_group(2, 6, "AAA", missing="2"),
]


def mmstar(index: int, category: str, l2_category: str, options: str, answer: str) -> Row:
    return {
        "index": index,
        "question": f"What does the picture show?\nOptions: {options}",
        "image": BARS,
        "answer": answer,
        "category": category,
        "l2_category": l2_category,
        "meta_info": {"source": "Own", "split": "val", "image_path": BARS},
    }


MMSTAR = [
    mmstar(0, "coarse perception", "image scene and topic", "A: a chart, B: a face, C: a road, D: a dog", "A"),
    mmstar(1, "fine-grained perception", "object counting", "A: one, or two, B: three, C: four, D: five", "B"),
    mmstar(2, "math", "statistical analysis", "A: 9, B: 14, C: 21, D: 44", "D"),
]


def logicvista(number: int, question: str, answer: str, skill: str, broad: list[str]) -> Row:
    return {
        "id": f"v1_{number}",
        "question": question,
        "answer": answer,
        "reasoning": "It follows from the picture.",
        "skill": [skill],
        "broad_capability": broad,
        "specific_capability": ["patterns", "puzzles"],
        "image": DISCS,
        "imagesource": "own",
        "sourcelink": "",
        "liscenced": "yes",
    }


LOGICVISTA = [
    logicvista(0, "Which figure (A, B, C, or D) comes next?", "C", "inductive", ["diagram", "ocr"]),
    logicvista(1, "Which two figures (A-D) belong together?", "B, D", "inductive", ["diagram"]),
    logicvista(
        2, "How many discs come next? Select from A-D.\nA) 10 B) 12 C) 14 D) 16", "C", "numerical", ["diagram"]
    ),
    logicvista(3, "Which one is different? Select answers from A-I", "G", "spatial", ["diagram"]),
    logicvista(4, "Which answer is right? Select from 1-5", "3", "deductive", ["ocr"]),
    logicvista(5, "Which lever moves?", "", "mechanical", ["diagram"]),
]
GEOMETRY3K = [
    {
        "id": 0,
        "images": [TRIANGLE],
        "problem": "<image>Find x.",
        "answer": "5 \\sqrt { 2 }",
        "choices": ["5", "5 \\sqrt { 2 }", "10", "25"],
        "ground_truth": "B",
    },
    {
        "id": 1,
        "images": [TRIANGLE],
        "problem": "<image>Find the area.",
        "answer": "13.5",
        "choices": ["9", "13.5", "18", "27"],
        "ground_truth": "B",
    },
    {
        "id": 2,
        "images": [TRIANGLE],
        "problem": "<image>Find m \\angle 1.",
        "answer": "60",
        "choices": ["30", "45", "60", "90"],
        "ground_truth": "C",
    },
]
MMK12 = [
    {
        "id": f"{subject}-1",
        "subject": subject,
        "image": DISCS,
        "answer": gold,
        "question": f"<image>A question of {subject}:\nA. one disc\nB. two discs\nC. three discs\nD. no disc",
    }
    for subject, gold in (("math", "C"), ("physics", "A"), ("chemistry", "B"), ("biology", "D"))
]
COUNTING = [
    {"images": [DISCS], "problem": "<image>How many different items are there in the image?", "answer": "3"},
    {"images": [BARS], "problem": "How many different items are there in the image?", "answer": "10"},
]
SUPERCLEVR = [
    {"image_path": DISCS, "question": "How many different items are there in the image?", "ground_truth": 3},
    {"image_path": BARS, "question": "How many different items are there in the image?", "ground_truth": 10},
]


def papo(question: str, gold: str, split: str) -> Row:
    turns = [
        {"role": "user", "content": f"<image>{question}\n\n{THINK_AND_BOX}"},
        {"role": "assistant", "content": gold},
    ]
    return {"messages": turns, "images": [f"./data/images/{split}/0.png"]}


OPTIONS = "\nChoices:\nA:30\nB:40\nC:50\nD:60"
PAPO = {
    "papo_geometry3k": [("Find x.", "5 \\sqrt { 2 }"), ("Find y.", "13.5"), ("Find y.", "13.5")],
    "papo_mathvista": [("How many bars are there?", "3"), ("How heavy is the box?", "12\\text{ km}")],
    "papo_wemath": [("Which one?\nA. 12 cm; B. 3, 4; C. No correct answer", "B")],
    "papo_mmk12": [("Which one?\nA. one disc\nB. two discs", "A")],
    "papo_mathverse": [
        ("Which angle?" + OPTIONS, "B"),
        ("", "C"),
        ("Which angle?" + OPTIONS, "(C)"),
        ("Which angle?", "138^\\circ"),
    ],
    "papo_logicvista": [("Which two figures (A-D) belong together?", "B, D"), ("Which one?", "C")],
    "papo_counting": [("How many different items are there in the image?", "10")],
    "papo_mmmu_pro": [("", "J")],
    "papo_mathverse_vision": [("", "B"), ("Which one?" + OPTIONS, "D")],
}


def files() -> dict[str, list[Row]]:
    """Rows by file, without ending, inside the folder of fixtures."""
    rows: dict[str, list[Row]] = {
        **{f"{name}/testmini-testmini": MATHVERSE for name in ("mathverse", "mathverse_vision", "mathverse_mc")},
        "mathvista/default-testmini": MATHVISTA,
        "mathvision/default-test": MATHVISION,
        "mathvision_mini/default-testmini": MATHVISION[:2],
        "wemath/default-testmini": WEMATH,
        "mmstar/val-val": MMSTAR,
        "logicvista/default-test": LOGICVISTA,
        "geometry3k/default-test": GEOMETRY3K,
        "mmk12/default-test": MMK12,
        "clevr_counting/default-test": COUNTING,
        "superclevr/default-test": SUPERCLEVR,
    }
    for name, items in PAPO.items():
        split = COLUMNS[name][1]
        rows[f"{name}/default-{split}"] = [papo(question, gold, split) for question, gold in items]
    return rows


def pictures_of(value: Any) -> set[str]:
    """Every path of a picture in a row, wherever it stands."""
    if isinstance(value, dict):
        return set().union(*map(pictures_of, value.values()))
    if isinstance(value, list):
        return set().union(*map(pictures_of, value))
    return {value} if isinstance(value, str) and value.endswith(".png") else set()


def write(folder: Path) -> None:
    for name, rows in files().items():
        path = folder / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        for picture in pictures_of(rows):
            (path.parent / picture).parent.mkdir(parents=True, exist_ok=True)
            drawing(picture).save(path.parent / picture, optimize=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
