"""The tiny model: Qwen3-VL's architecture at about 2 M parameters, with a tokenizer of the mini world's words."""
