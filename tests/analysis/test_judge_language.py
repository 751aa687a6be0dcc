"""The judge's whole way with a model that knows English: what it says is counted, and nothing is guessed from it."""

from collections import Counter
from pathlib import Path

import pytest

from analysis.judge.__main__ import main
from analysis.judge.classes import read_labels
from analysis.taxonomy import CLASSES
from common import read_jsonl
from common.endpoint import SERVER_KEY
from configs import compose
from eval.runner import evaluate
from eval.settings import EvalSettings
from tests.analysis.smollm2 import needs_smollm2, write_smollm2
from tests.analysis.test_judge_classes import record_of
from tests.models.vllm_server import SECRET, Server, needs_vllm
from verify.llm_judge import JUDGE_KEY

ITEMS = 3
ENGLISH = ("the", "is", "answer")


@pytest.mark.nightly
@needs_vllm
@needs_smollm2
def test_a_small_real_model_answers_in_english_and_is_believed_only_where_it_keeps_the_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(JUDGE_KEY, raising=False)
    monkeypatch.setenv(SERVER_KEY, SECRET)
    evaluate(compose(EvalSettings, ["model=tiny", "bench=mini", "items=5", "k=1", "page=0", f"out={tmp_path}/eval"]))
    server = Server(tmp_path, write_smollm2(tmp_path / "smollm2"))
    try:
        server.wait()
        asked = [f"eval={tmp_path}/eval", f"out={tmp_path}/out", f"items={ITEMS}", "picture_side=0"]
        judge = [f"judge.base_url={server.url}", f"judge.cache={tmp_path}/cache.jsonl", "judge.max_reply_tokens=64"]
        assert main([*asked, *judge]) == 0
    finally:
        server.stop()
    rows, record = read_labels(tmp_path / "out"), record_of(tmp_path / "out")
    assert record["judge"]["model"] == "smollm2" and len(rows) == 2 * ITEMS
    words = Counter(word for row in read_jsonl(tmp_path / "cache.jsonl") for word in row["text"].lower().split())
    assert sum(words[word] for word in ENGLISH) >= ITEMS
    labelled = rows.label.notna()
    assert set(rows.label[labelled]) <= set(CLASSES) and set(rows.reason[~labelled]) <= {"unparsed", "cut"}
    counted = Counter(record["reasons"]["1"]) + Counter(record["reasons"]["2"])
    assert counted == Counter(rows.reason)
