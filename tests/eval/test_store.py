"""Responses on disk: what a kill leaves is taken over, what is damaged is named."""

import json
from pathlib import Path

import pytest

from common import UserError
from eval.store import PictureFiles, ResponseStore, key_of
from models.response import Response

# Signs that end a line for some readers, and some that take several bytes.
ODD = "r\r\nn\n \u2028 \u0085 ½ 三 🙂 \\boxed{é} \x00"


def response(sample_id: str, k: int, text: str = "3") -> Response:
    return Response(sample_id, k, "clean", text, [5, 2], [-0.5, -0.25], "stop")


def filled(path: Path, *responses: Response) -> Path:
    store = ResponseStore(path)
    for one in responses:
        store.add(one)
    store.close()
    return path


def reopened(path: Path) -> dict[tuple[str, int], Response]:
    store = ResponseStore(path)
    store.close()
    return store.responses


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    added = [response("a/1", 0, ODD), response("a/1", 1), response("三/½", 0, "")]
    path = filled(tmp_path / "new" / "deep" / "a.jsonl", *added)
    assert list(reopened(path).values()) == added
    assert path.read_bytes().count(b"\n") == 3
    assert "三".encode() in path.read_bytes()


def test_a_response_is_on_disk_once_add_returns(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    store = ResponseStore(path)
    for k in range(3):
        store.add(response("a", k))
        assert [json.loads(line)["k"] for line in path.read_bytes().splitlines()] == list(range(k + 1))
    store.close()


def test_adding_goes_on_behind_what_is_there(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.jsonl", response("a", 0))
    before = path.read_bytes()
    filled(path, response("a", 1))
    assert path.read_bytes().startswith(before)
    assert list(reopened(path)) == [("a", 0), ("a", 1)]


def test_a_torn_last_line_goes_wherever_it_was_torn(tmp_path: Path) -> None:
    responses = [response("a", 0, ODD), response("a", 1), response("b", 0, ODD)]
    whole = filled(tmp_path / "whole.jsonl", *responses).read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    path = tmp_path / "torn.jsonl"
    for length in range(last, len(whole)):
        path.write_bytes(whole[:length])
        assert list(reopened(path).values()) == responses[:2], length
        assert path.read_bytes() == whole[:last]
        filled(path, responses[2])
        assert path.read_bytes() == whole


def test_of_a_first_line_that_was_torn_nothing_stays(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.jsonl", response("a", 0))
    path.write_bytes(path.read_bytes()[:-1])
    assert reopened(path) == {}
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[1]",
        b"7",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"sample_id": "a"}',
        b'{"sample_id": [], "k": 0, "view": "clean", "text": ""}',
        b'{"sample_id": "a", "k": 0, "view": "clean", "text": "", "colour": "red"}',
    ],
)
def test_a_damaged_line_gets_a_sentence_and_the_file_stays(tmp_path: Path, line: bytes) -> None:
    path = filled(tmp_path / "a.jsonl", response("a", 0), response("a", 1))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + line + b"\n" + second)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"a\.jsonl line 2 is damaged; remove the file"):
        ResponseStore(path)
    assert path.read_bytes() == before


def test_how_many_are_missing(tmp_path: Path) -> None:
    store = ResponseStore(tmp_path / "a.jsonl")
    assert store.lacks("a", 2) == 2
    for name, k in [("a", 0), ("a", 2), ("b", 1)]:
        store.add(response(name, k))
    assert [store.lacks("a", count) for count in (1, 2, 3, 4)] == [0, 1, 1, 2]
    assert store.lacks("b", 2) == 1


def test_pictures_count_by_content_in_order_and_not_by_place(tmp_path: Path) -> None:
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            paths.append(tmp_path / folder / f"{name}.png")
            paths[-1].write_bytes(b"content of " + name.encode())
    here, there = PictureFiles(tuple(paths[:2])), PictureFiles(tuple(paths[2:]))
    assert here.digest == there.digest != PictureFiles((paths[1], paths[0])).digest
    before = here.digest
    paths[0].write_bytes(b"content of c")
    assert here.digest == before  # one evaluation reads them once
    changed = PictureFiles(tuple(paths[:2])).digest
    paths[0].unlink()
    gone = PictureFiles(tuple(paths[:2])).digest
    assert len({before, changed, gone}) == 3


def test_the_key_hangs_on_the_content_alone() -> None:
    made_by = {"seed": 0, "model": {"dtype": "float32", "max_pixels": 9}}
    assert key_of(made_by) == key_of({"model": {"max_pixels": 9, "dtype": "float32"}, "seed": 0})
    others = [{**made_by, "seed": 1}, {**made_by, "view": None}, {"seed": 0, "model": {"dtype": "float32"}}]
    assert len({key_of(one) for one in [made_by, *others]}) == 4
