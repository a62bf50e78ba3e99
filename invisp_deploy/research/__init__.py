"""The paper's experiments, its rivals and its data."""
