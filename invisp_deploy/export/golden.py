"""A small input and what PyTorch makes of it, so that a device without PyTorch can check itself."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from invisp_deploy.export.parity import pytorch_pair
from invisp_deploy.isp.levels import Levels, network_input, recovered_mosaic
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import natural_input, natural_levels, natural_planes

__all__ = ["camera_arrays", "golden_arrays"]

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


def camera_arrays(network: InvISP, gamma: float) -> dict[str, npt.NDArray[Any]]:
    """The same for camera graphs, as planes: the separate steps in numpy around PyTorch.

    mosaic: (1, 1, e, e) uint16 DN, e a multiple of 2 and of the squeeze. rgb: (1, 3, e, e) uint8, rendered from it.
    mosaic_back: uint16, recovered from `rgb`. And the levels of all (`graph_card.CAMERA_LEVELS`).
    """
    step = int(np.lcm(network.config.squeeze, 2))
    edge = -(-_EDGE // step) * step
    mosaic, numbers = natural_planes("mosaic", edge, edge, _SEED), natural_levels("mosaic")
    a, b, c, d = numbers["black"].tolist()
    red, green, blue = numbers["gains"].tolist()
    cfa = "".join("RGB"[colour] for colour in numbers["cfa"])
    levels = Levels(cfa, (a, b, c, d), float(numbers["white"][0]), (red, green, blue), gamma)
    srgb, _ = pytorch_pair(network, network_input(mosaic[0, 0], levels)[None])
    rgb = np.rint(np.clip(srgb, 0, 1) * np.float32(255)).astype(np.uint8)
    with torch.no_grad():
        raw = network.inverse(torch.from_numpy(rgb.astype(np.float32) / np.float32(255))).numpy()
    return {"mosaic": mosaic, "rgb": rgb, "mosaic_back": recovered_mosaic(raw[0], levels)[None, None], **numbers}
