"""Write the fixtures of the benchmarks in test_benchmarks_2.py: own rows and drawings with the column names and
types of the real data sets, odd rows included. The result is kept in the repository.

Run: python -m tests.eval.make_fixtures_2 [folder]
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from eval.benchmarks.mmmu import DISCIPLINES

Row = dict[str, Any]
Rows = dict[str, list[Row]]  # file name without ending -> rows

FOLDER = Path(__file__).parent / "fixtures"
SIZE = 32
PALETTE = [255, 255, 255, 200, 40, 40, 40, 120, 60, 40, 70, 190]  # white, red, green, blue
RED, GREEN, BLUE = "images/red_square.png", "images/green_disc.png", "images/blue_bars.png"
DYNAMATH_VARIANTS = 10
BLINK_PICTURES = {
    "Art_Style": 3,
    "Counting": 1,
    "Forensic_Detection": 4,
    "Functional_Correspondence": 2,
    "IQ_Test": 1,
    "Jigsaw": 3,
    "Multi-view_Reasoning": 2,
    "Object_Localization": 1,
    "Relative_Depth": 1,
    "Relative_Reflectance": 1,
    "Semantic_Correspondence": 2,
    "Spatial_Relation": 1,
    "Visual_Correspondence": 2,
    "Visual_Similarity": 3,
}


def drawing(name: str) -> Image.Image:
    """One of three small pictures, in palette colours."""
    image = Image.new("P", (SIZE, SIZE), 0)
    image.putpalette(PALETTE)
    pen = ImageDraw.Draw(image)
    if name == RED:
        pen.rectangle((8, 8, 23, 23), fill=1)
    elif name == GREEN:
        pen.ellipse((6, 6, 25, 25), fill=2)
    else:
        for left, height in ((4, 10), (13, 20), (22, 15)):
            pen.rectangle((left, 28 - height, left + 5, 28), fill=3)
    return image


def numbered(pictures: list[str], columns: int) -> Row:
    """image_1 ... image_n, null where there is no picture."""
    return {f"image_{n}": pictures[n - 1] if n <= len(pictures) else None for n in range(1, columns + 1)}


def mmmu_row(
    identity: str, question: str, options: list[str], answer: str, pictures: list[str], kind: str = "multiple-choice"
) -> Row:
    return {
        "id": identity,
        "question": question,
        "options": repr(options),
        "explanation": "",
        **numbered(pictures, 7),
        "img_type": "['Diagrams']",
        "answer": answer,
        "topic_difficulty": "Easy",
        "question_type": kind,
        "subfield": "Shapes",
    }


def mmmu() -> Rows:
    count = ["one", "two", "three", "four"]
    rows = {
        subject: [mmmu_row(f"validation_{subject}_1", "<image 1> How many bars are there?", count, "C", [BLUE])]
        for subjects in DISCIPLINES.values()
        for subject in subjects
    }
    rows["Art"].append(
        mmmu_row("validation_Art_2", "Which picture shows a disc?", ["<image 1>", "<image 2>"], "B", [RED, GREEN])
    )
    rows["Biology"].append(
        mmmu_row("validation_Biology_2", "What is seen in <image 1>?", ["a cell's wall", 'the "disc"'], "B", [GREEN])
    )
    rows["Chemistry"].append(
        mmmu_row("validation_Chemistry_2", "Is <image 2> or <image 1> red?", ["first", "second"], "B", [RED, GREEN])
    )
    rows["Design"].append(
        mmmu_row("validation_Design_2", "Compare <image 1> and again <image 1>.", ["same", "not"], "A", [RED])
    )
    rows["Economics"].append(mmmu_row("validation_Economics_2", "No tag here.", ["x", "y"], "A", [RED, GREEN]))
    rows["Finance"].append(mmmu_row("validation_Finance_2", "See <image 3>.", ["x", "y"], "A", [RED]))
    rows["Math"].append(
        mmmu_row("validation_Math_2", "<image 1> Ratio of area to side?", [], "['1/2', '0.5']", [RED], "open")
    )
    rows["Physics"].append(mmmu_row("validation_Physics_2", "<image 1> Bars in total?", [], "24", [BLUE], "open"))
    return {f"{subject}-validation": subject_rows for subject, subject_rows in rows.items()}


def mmmu_pro_row(identity: str, question: str, options: list[str], answer: str, pictures: list[str]) -> Row:
    return {
        "id": identity,
        "question": question,
        "options": repr(options),
        "explanation": "",
        **numbered(pictures, 7),
        "img_type": "['Plots and Charts']",
        "answer": answer,
        "topic_difficulty": "Hard",
        "subject": identity.split("_", 1)[1].rsplit("_", 1)[0],
    }


def mmmu_pro_standard10() -> Rows:
    words = ["nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
    rows = [
        mmmu_pro_row("test_History_1", "<image 1> How many bars?", words[:10], "D", [BLUE]),
        mmmu_pro_row("test_Art_Theory_2", "Is <image 2> left of <image 1>?", ["yes", "no"], "A", [RED, GREEN]),
        mmmu_pro_row("test_Music_3", "<image 1> Only one option is left.", ["three"], "A", [BLUE]),
        mmmu_pro_row("test_Math_4", "<image 1> Twelve options.", words, "L", [BLUE]),
        mmmu_pro_row("test_Design_5", "Which is red?", ["<image 2>", "<image 1>", "none"], "B", [RED, GREEN]),
        mmmu_pro_row("test_Energy_and_Power_6", "<image 1> Nine options.", words[:9], "I", [BLUE]),
    ]
    return {"standard_(10_options)-test": rows}


def mmmu_pro_standard4() -> Rows:
    options = ["two", "three", "four", "five"]
    return {
        "standard_(4_options)-test": [mmmu_pro_row("test_History_1", "<image 1> How many bars?", options, "B", [BLUE])]
    }


def mmmu_pro_vision() -> Rows:
    options = repr([str(number) for number in range(10)])
    return {
        "vision-test": [
            {"id": "test_History_1", "image": BLUE, "options": options, "answer": "D", "subject": "History"},
            {"id": "test_Sociology_9", "image": RED, "options": "['3', '4']", "answer": "B", "subject": "Sociology"},
        ]
    }


def blink() -> Rows:
    rows: Rows = {}
    for task, pictures in BLINK_PICTURES.items():
        prompt = f"A made-up question of {task}.\nSelect from the following choices.\n(A) left\n(B) right"
        row = {
            "idx": f"val_{task}_1",
            "question": f"A made-up question of {task}.",
            "sub_task": task,
            **numbered([RED, GREEN, BLUE, RED][:pictures], 4),
            "choices": ["left", "right"],
            "answer": "(B)",
            "prompt": prompt,
            "explanation": "",
        }
        rows[f"{task}-val"] = [row, row | {"idx": f"val_{task}_2", "answer": "(A)"}]
    rows["Counting-val"].append(rows["Counting-val"][0] | {"idx": "val_Counting_3", "answer": "hidden"})
    return rows


def mmvet() -> Rows:
    rows: list[Row] = [
        {"answer": "three<OR>3", "capability": ["rec"], "question": "How many bars are in the picture?"},
        {"answer": "red<AND>square", "capability": ["rec", "gen"], "question": "Describe what you see."},
        {"answer": "0.5", "capability": "ocr,math", "question": "What share is green?"},
    ]
    pictures = [BLUE, RED, GREEN]
    return {
        "default-test": [
            {"question_id": f"v1_{number}", "image": pictures[number], "image_source": "own", **row}
            for number, row in enumerate(rows)
        ]
    }


def hallusion_row(key: str, visual_input: str, gold: str, details: str, picture: str | None) -> Row:
    category, subcategory, set_id, figure_id, question_id = key.split("/")
    return {
        "category": category,
        "subcategory": subcategory,
        "visual_input": visual_input,
        "set_id": set_id,
        "figure_id": figure_id,
        "sample_note": "own",
        "question_id": question_id,
        "question": f"Is statement {question_id} about the figure true?",
        "gt_answer_details": details,
        "gt_answer": gold,
        "filename": picture,
        "image": picture,
    }


def hallusionbench() -> Rows:
    return {
        "default-image": [
            hallusion_row("VD/illusion/0/0/0", "1", "1", "The two sides are equal.", RED),
            hallusion_row("VD/illusion/0/0/1", "1", "0", "The two sides are equal.", RED),
            hallusion_row("VD/illusion/0/1/0", "2", "0", "The sides differ.", GREEN),
            hallusion_row("VD/illusion/0/1/1", "2", "1", "The sides differ.", GREEN),
            hallusion_row("VS/chart/3/1/0", "1", "1", "The second bar is the tallest.", BLUE),
        ],
        "default-non_image": [hallusion_row("VS/chart/3/0/0", "0", "1", "The second bar is the tallest.", None)],
    }


def dynamath() -> Rows:
    rows: Rows = {}
    for variant in range(1, DYNAMATH_VARIANTS + 1):
        seeds = [
            ("1", f"The square has side {variant}. Find half its area.", f"{variant**2 / 2:.3f}", "float", RED),
            ("2", "Which is taller? Choice: (A) bar 1 (B) bar 2", "B", "multiple choice", BLUE),
            ("3", "What shape is shown?", "disc", "text", GREEN),
            ("4", f"How many bars in {variant} copies?", str(3 * variant), "integer", BLUE),
        ]
        rows[f"default-sample_variant{variant}"] = [
            {
                "id": identity,
                "question": question,
                "image": picture,
                "decoded_image": picture,
                "ground_truth": gold,
                "answer_type": kind,
                "subject": "plane geometry",
                "knowledge_level": "high school" if identity == "1" else "elementary",
            }
            for identity, question, gold, kind, picture in seeds
        ]
    return rows


def emma_row(subject: str, number: int, question: str, options: list[str], answer: str, pictures: list[str]) -> Row:
    choice = "Multiple choice" if subject == "Chemistry" else "Multiple Choice"
    return {
        "pid": f"{subject.lower()}_{number}",
        "question": question,
        "options": options,
        "answer": answer,
        **numbered(pictures, 5),
        "solution": "",
        "subject": subject,
        "task": "Shapes",
        "category": "2D",
        "source": "own",
        "type": choice if options else "Open-ended",
        "context": "",
    }


def emma_rows() -> dict[str, list[Row]]:
    context = {"context": "A short text stands before the question."}
    return {
        "Math": [
            emma_row("Math", 1, "<image_1> What is next?", ["<image_3>", "<image_2>"], "B", [RED, GREEN, BLUE]),
            emma_row("Math", 2, "<image_1> How many bars?", [], "3", [BLUE]) | context,
            emma_row("Math", 3, "<image_1> Half of it?", [], "\\frac{1}{2}", [RED]),
        ],
        "Physics": [emma_row("Physics", 1, "<image_1> Force?", ["2 N", "$\\frac{1}{2}$ N"], "A", [RED])],
        "Chemistry": [emma_row("Chemistry", 1, "<image_1> How many rings?", ["one", "two"], "A", [GREEN])],
        "Coding": [emma_row("Coding", 1, "What draws <image_1>?", ["bar()", "plot()"], "A", [BLUE])],
    }


def emma() -> Rows:
    return {f"{subject}-test": rows for subject, rows in emma_rows().items()}


def emma_mini() -> Rows:
    return {f"{subject}-test": rows[:1] for subject, rows in emma_rows().items()}


def seephys() -> Rows:
    def row(index: int, question: str, answer: str, pictures: list[str], **columns: str | float | None) -> Row:
        return {
            "index": index,
            "question": question,
            "images": pictures,
            "answer": answer,
            "level": "Mid",
            "subject": "CM",
            "language": "English",
            "img_category": "static_force_analysis",
            "vision_relevance": "vision-essential",
            "sig_figs": None,
            "caption": "",
            **columns,
        }

    return {
        "default-train": [
            row(0, "How large is the force?", "9.80", [RED], sig_figs="3"),
            row(1, "两个物体的质量之比是多少?", "2", [RED, GREEN], language="Chinese", sig_figs=1.0),
            row(2, "Give the period.", "$2\\pi\\sqrt{\\frac{l}{g}}$", [GREEN], level="PhD"),
            row(3, "Name the law.", "Hooke's law", [BLUE], vision_relevance="vision-optional"),
        ]
    }


def clevr_math() -> Rows:
    def row(template: str, picture: str, question: str, label: int) -> Row:
        scene = "CLEVR_own_000001.png" if picture == BLUE else "CLEVR_own_000002.png"
        return {"template": template, "id": scene, "question": question, "image": picture, "label": label}

    return {
        "general-test": [
            row("subtraction", BLUE, "Subtract all tall bars. How many bars are left?", 2),
            row("subtraction-multihop", BLUE, "Take away 1 bar. Take away 1 bar. How many are left?", 1),
            row("adversarial", BLUE, "Remove all discs. How many bars are left?", 3),
            row("adversarial", BLUE, "Remove all discs. How many bars are left?", 3),
            row("addition", RED, "Add no squares. How many discs are there?", 0),
        ]
    }


def chartqa() -> Rows:
    return {
        "default-test": [
            {"image": BLUE, "query": "How tall is the second bar?", "label": ["20"], "human_or_machine": 0},
            {"image": BLUE, "query": "Which colour have the bars?", "label": ["Blue"], "human_or_machine": 1},
            {"image": BLUE, "query": "Which share has bar 1?", "label": ["22.2%"], "human_or_machine": 0},
            {"type": "augmented_test", "question": "In which year?", "answer": "1990", "image": BLUE},
            {"type": "human_test", "question": "How far is it from zero?", "answer": "0", "image": BLUE},
        ]
    }


def ai2d() -> Rows:
    return {
        "default-test": [
            {"question": "What is red?", "options": ["disc", "square", "bars", "none"], "answer": "1", "image": RED},
            {"question": "Which label is the disc?", "options": ["A", "B", "C", "D"], "answer": "0", "image": GREEN},
            {"question": "How many bars?", "options": ["1", "2", "3", "4"], "answer": "2", "image": BLUE},
        ]
    }


def pope() -> Rows:
    rows = []
    for category in ("adversarial", "popular", "random"):
        for number, (thing, gold) in enumerate((("disc", "yes"), ("chair", "no"))):
            rows.append(
                {
                    "id": str(len(rows)),
                    "question_id": str(number + 1),
                    "question": f"Is there a {thing} in the image?",
                    "answer": gold,
                    "image_source": "own_0001",
                    "image": GREEN,
                    "category": category,
                }
            )
    return {"default-test": rows}


def ocrbench_v2() -> Rows:
    texts: list[tuple[str, Any, str, Row]] = [
        ("text recognition en", ["STOP"], "What is written?", {}),
        ("cognition VQA en", ["a red square on a white sheet"], "What is drawn?", {}),
        ("science QA en", ["B"], "Which? A disc B square", {"eval": "multiple choice"}),
        ("text recognition en", ["Red"], "What is written, as it stands?", {"eval": "case sensitive"}),
        ("text counting en", ["8"], "How many letters?", {"eval": "regression"}),
        ("text counting en", ["3"], "How often is it there?", {"eval": "exact match"}),
        ("formula recognition en", ["x ^ 2"], "Write it in LaTeX.", {}),
        ("key information extraction en", ['{"name": ["Ada"], "year": ["1843", "43"]}'], "Give name and year.", {}),
        ("text grounding en", [100, 100, 300, 300], "Where is the word?", {}),
        ("VQA with position en", ["square"], "What is it and where?", {"bbox": [0, 0, 200, 100]}),
        ("cognition VQA cn", ["红色,方块"], "图中是什么？", {}),
        ("handwritten answer extraction cn", ["AC"], "写出答案。", {}),
        ("handwritten answer extraction cn", ["因为"], "写出简答题的答案。", {}),
        ("table parsing en", ["<table></table>"], "Convert the table to HTML.", {}),
    ]
    rows = [
        {"id": n, "dataset_name": "own", "type": kind, "question": asked, "answers": golds, "image": RED, **more}
        for n, (kind, golds, asked, more) in enumerate(texts)
    ]
    return {"default-test": rows}


def mmlu_pro_noise() -> Rows:
    return {
        "default-test": [
            {"question_id": 70, "question": "Two and three?", "options": ["4", "5", "6", "N/A"], "answer": "B"}
            | {"answer_index": 1, "cot_content": "", "category": "math", "src": "own"},
            {
                "question_id": 71,
                "question": "Which is a colour?",
                "options": ["up", "ten", "loud", "red"],
                "answer": "D",
            }
            | {"answer_index": 3, "cot_content": "", "category": "other", "src": "own"},
        ]
    }


def easy_vqa() -> Rows:
    asked = [("is there a disc?", "yes", GREEN), ("what is red?", "square", RED), ("is there no disc?", "no", GREEN)]
    rows = [{"question": text, "answer": gold, "image": image, "picture": image[7:-4]} for text, gold, image in asked]
    return {"default-test": rows}


FIXTURES = {
    make.__name__: make
    for make in (
        mmmu,
        mmmu_pro_standard10,
        mmmu_pro_standard4,
        mmmu_pro_vision,
        blink,
        mmvet,
        hallusionbench,
        dynamath,
        emma,
        emma_mini,
        seephys,
        clevr_math,
        chartqa,
        ai2d,
        pope,
        ocrbench_v2,
        mmlu_pro_noise,
        easy_vqa,
    )
}


def pictures_in(value: Any) -> Iterator[str]:
    """Every picture that a row names."""
    if isinstance(value, str) and value.endswith(".png") and value.startswith("images/"):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from pictures_in(part)


def write_fixtures(folder: Path) -> None:
    for name, make in FIXTURES.items():
        target = folder / name
        (target / "images").mkdir(parents=True, exist_ok=True)
        for file_name, rows in make().items():
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (target / f"{file_name}.jsonl").write_text("".join(lines), encoding="utf-8")
            for picture in sorted({picture for row in rows for picture in pictures_in(row)}):
                # Stored, not compressed: the bytes then do not depend on the zlib that Pillow was built with.
                drawing(picture).save(target / picture, compress_level=0)


if __name__ == "__main__":
    write_fixtures(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
