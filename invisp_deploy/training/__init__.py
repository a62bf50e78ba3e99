"""Training: crops of RAW files, the JPEG simulator, the loop, and the order of a run.

from invisp_deploy.training import OptimiserOptions, TrainingOptions, train

made = train([Path("dataset")], Path("run"), TrainingOptions(optimiser=OptimiserOptions(steps=2000)))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invisp_deploy.training.make import TrainedRun, train
    from invisp_deploy.training.method import InvispMethod, Start, TrainingMethod
    from invisp_deploy.training.options import (
        ContractOptions,
        DataOptions,
        JpegOptions,
        LossOptions,
        OptimiserOptions,
        TrainingOptions,
    )
    from invisp_deploy.training.run import Run, read_run

__all__ = [
    "ContractOptions",
    "DataOptions",
    "InvispMethod",
    "JpegOptions",
    "LossOptions",
    "OptimiserOptions",
    "Run",
    "Start",
    "TrainedRun",
    "TrainingMethod",
    "TrainingOptions",
    "read_run",
    "train",
]

_MODULES = {
    "ContractOptions": "options",
    "DataOptions": "options",
    "InvispMethod": "method",
    "JpegOptions": "options",
    "LossOptions": "options",
    "TrainingMethod": "method",
    "OptimiserOptions": "options",
    "Run": "run",
    "Start": "method",
    "TrainedRun": "make",
    "TrainingOptions": "options",
    "read_run": "run",
    "train": "make",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the room itself costs no PyTorch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
