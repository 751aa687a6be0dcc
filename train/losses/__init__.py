"""Loss terms: pure functions from tensors [N, T] (responses x tokens) to a per-token loss [N, T]."""
