"""Runtimes: one small base, one file each. None but `torch_` imports torch."""
