"""A small input and what PyTorch makes of it, so that a device without PyTorch can check itself."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.export.parity import pytorch_pair
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import natural_input

__all__ = ["golden_arrays"]

_EDGE: Final = 64
_SEED: Final = 2021


def golden_arrays(network: InvISP) -> dict[str, npt.NDArray[np.float32]]:
    """Float32 arrays, (1, 3, e, e) with e the first multiple of the squeeze from 64 on.

    raw: made like a picture, [0, 1]. srgb: PyTorch's forward of `raw`. raw_back: PyTorch's inverse of `srgb`.
    """
    squeeze = network.config.squeeze
    edge = -(-_EDGE // squeeze) * squeeze
    raw = natural_input((1, 3, edge, edge), _SEED)
    srgb, raw_back = pytorch_pair(network, raw)
    return {"raw": raw, "srgb": srgb, "raw_back": raw_back}
