"""A small input and what PyTorch makes of it, so that a device without PyTorch can check itself."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.export.parity import natural_input, pytorch_pair
from invisp_deploy.network.invisp import InvISP

__all__ = ["golden_arrays", "npz_bytes"]

_EDGE: Final = 64
_SEED: Final = 2021
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def golden_arrays(network: InvISP) -> dict[str, npt.NDArray[np.float32]]:
    """Float32 arrays, (1, 3, e, e) with e the first multiple of the squeeze from 64 on.

    raw: made like a picture, [0, 1]. srgb: PyTorch's forward of `raw`. raw_back: PyTorch's inverse of `srgb`.
    """
    squeeze = network.config.squeeze
    edge = -(-_EDGE // squeeze) * squeeze
    raw = natural_input((1, 3, edge, edge), _SEED)
    srgb, raw_back = pytorch_pair(network, raw)
    return {"raw": raw, "srgb": srgb, "raw_back": raw_back}


def npz_bytes(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """What `numpy.load` reads; unlike `numpy.savez`'s, the bytes do not tell the time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            entry.create_system = 3  # Unix wherever it is written
            entry.external_attr = 0o644 << 16
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()
