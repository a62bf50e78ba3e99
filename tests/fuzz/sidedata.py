"""What brings a RAW back better than the network: the layers of `sidedata`, each for a small mosaic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from invisp_deploy.sidedata.residual import decode_residual, encode_residual, uniform_bound
from tests.fuzz.target import Target
from tests.sidedata.test_residual import noise_bound, noisy

_SIZES = ((32, 48), (7, 9))


@lru_cache(maxsize=1)
def _residuals() -> Sequence[bytes]:
    bounds = (uniform_bound(0), uniform_bound(8), noise_bound())
    return [encode_residual(*noisy(*size), bound) for size in _SIZES for bound in bounds]


def residual(data: bytes, folder: Path) -> None:
    """Nothing comes back that was not encoded: it is one of the corpus, or refused."""
    rows = int.from_bytes(data[1:3], "little")
    true, predicted = noisy(*next((size for size in _SIZES if size[0] == rows), _SIZES[0]))
    back = decode_residual(data, predicted, "it")
    assert np.abs(back.astype(int) - true).max() <= noise_bound().max()


TARGETS = (Target("residual", _residuals, residual, share=6),)
