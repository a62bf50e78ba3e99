"""Which GPUs an engine is for, by compute capability, and what each of them can run.

TensorRT proper times its kernels on the GPU at hand and builds for that one alone. TensorRT for RTX writes what any
of the named GPUs compiles for itself when it loads the plan, so it needs no GPU to build.
"""

from __future__ import annotations

import re
from typing import Final

from invisp_deploy.errors import EngineError, RequestError
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from invisp_deploy.runtimes.tensorrt.engine_card import BACKENDS

RTX_TARGETS: Final = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""What TensorRT for RTX 1.7 builds for. sm75 (Turing) only where asked for: it adds 40 MB to a forward plan."""

_TURING: Final = "sm75"
_FIRST_FP8: Final = 89
_NOT_RTX: Final = {
    "sm87": "Jetson Orin",
    "sm90": "Hopper",
    "sm100": "data-centre Blackwell",
    "sm110": "Jetson Thor",
}


def parse_targets(text: str | None) -> tuple[str, ...] | None:
    """ "sm89,sm86" -> ("sm86", "sm89"), sorted, once each; None stays None. Raises RequestError."""
    if text is None:
        return None
    names = {name.strip() for name in text.split(",")}
    if not all(re.fullmatch(r"sm[1-9]\d{1,2}", name) for name in names):
        raise RequestError(f"`targets` takes compute capabilities such as sm86,sm89, got {text!r}.")
    return tuple(sorted(names, key=_number))


def rtx_targets(asked: tuple[str, ...] | None, precision: str) -> tuple[str, ...]:
    """Targets of a TensorRT for RTX plan: those asked for, or every one from Ampere on that runs the precision.

    Raises EngineError for a GPU that TensorRT for RTX does not build for or that lacks the precision.
    """
    if asked is None:
        return tuple(name for name in RTX_TARGETS if name != _TURING and _runs(name, precision))
    for name in asked:
        if name not in RTX_TARGETS:
            device = f" ({_NOT_RTX[name]})" if name in _NOT_RTX else ""
            raise EngineError(
                f"TensorRT for RTX does not build for {name}{device}, only for {', '.join(RTX_TARGETS)}: build with "
                f"`backend` {BACKENDS[0]} on the device itself."
            )
    _check_precision(asked, precision)
    return asked


def tensorrt_targets(asked: tuple[str, ...] | None, precision: str, device: CudaDevice) -> tuple[str, ...]:
    """The one target of a TensorRT plan: the GPU that builds it.

    Raises EngineError where another one was asked for, or where the GPU lacks the precision.
    """
    own = (device.capability,)
    if asked not in (None, own):
        raise EngineError(
            f"TensorRT builds for the GPU that it runs on, here {device.capability} ({device.name}), and `targets` "
            f"asks for {', '.join(asked or ())}: build on that GPU, or with `backend` {BACKENDS[1]} where it supports "
            "the GPU."
        )
    _check_precision(own, precision)
    return own


def _check_precision(targets: tuple[str, ...], precision: str) -> None:
    unfit = [name for name in targets if not _runs(name, precision)]
    if unfit:
        raise EngineError(
            f"The graph is {precision}, which {', '.join(unfit)} cannot run; it needs sm{_FIRST_FP8} or later: export "
            "the graph in int8 or fp16, or leave that target out."
        )


def _runs(target: str, precision: str) -> bool:
    return precision != "fp8" or _number(target) >= _FIRST_FP8


def _number(target: str) -> int:
    return int(target.removeprefix("sm"))
