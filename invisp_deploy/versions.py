"""Versions of what computes: noted in graphs, records and reports, asked for without importing any of it."""

from __future__ import annotations

from importlib import metadata
from typing import Final

from invisp_deploy import __version__

# ONNX Runtime and CUDA's bindings are each published under several names; whichever is installed is noted.
_COMPUTING: Final = (
    "numpy", "rawpy", "pillow", "tifffile", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt",
    "tensorrt-rtx", "cuda-python", "cuda-bindings", "torch",
)  # fmt: skip


def versions(*packages: str) -> dict[str, str]:
    """Distribution -> version of ours and of `packages`, default all that compute; those not installed are left out."""
    found = {"invisp-deploy": __version__}
    for package in packages or _COMPUTING:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
