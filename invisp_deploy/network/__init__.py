"""The invertible network in PyTorch, and its checkpoints."""
