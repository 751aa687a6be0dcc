"""The numbers of docs/own_pictures.md are those of the committed table."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def cells_of(text: str) -> dict[str, list[str]]:
    lines = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| "))
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}


def test_the_page_says_what_the_table_holds() -> None:
    said = cells_of((ROOT / "docs/own_pictures.md").read_text())
    text = (ROOT / "results/easy_vqa_mini/table.md").read_text()
    accuracies, rest = text.split("| comparison |")
    right, black = cells_of(accuracies), cells_of(rest)
    for row, seeds in {"base": "1 seed", "GRPO": "2 seeds", "PAPO_G": "2 seeds"}.items():
        shown = said[row if row == "base" else f"{row}, two seeds"]
        assert shown == [right[f"ours: {row} ({seeds})"][0], black[row][0].split(" [")[0]]
    assert black["PAPO_G - GRPO"] and "-0.1 [-0.4, +0.1]" in text
    assert "-0.1 points [-0.4, +0.1] over problems" in (ROOT / "docs/own_pictures.md").read_text()
