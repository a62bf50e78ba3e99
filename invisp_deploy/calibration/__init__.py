"""Calibration: what RAW files look like to the network, the scales of int8 and fp8, and what they cost.

from invisp_deploy.calibration import calibrate

made = calibrate(Path("run/weights.safetensors"), [Path("raws")], Path("scales.json"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invisp_deploy.calibration.make import Calibration, calibrate
    from invisp_deploy.calibration.options import CalibrationOptions
    from invisp_deploy.calibration.record import ScaleRecord, read_record

__all__ = ["Calibration", "CalibrationOptions", "ScaleRecord", "calibrate", "read_record"]

_MODULES = {
    "Calibration": "make",
    "CalibrationOptions": "options",
    "ScaleRecord": "record",
    "calibrate": "make",
    "read_record": "record",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the room itself costs no PyTorch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
