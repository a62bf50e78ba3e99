"""Another coding of the same coefficients is written as libjpeg wrote it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.formats.coefficients import read_coefficients
from invisp_deploy.formats.jpeg import pixels_digest
from invisp_deploy.formats.normal_form import write_normal_form


def coded(height: int, width: int, **options: Any) -> bytes:
    rows, columns = np.mgrid[:height, :width]
    plain = np.stack((rows * 4, columns * 3, np.hypot(rows, columns) * 2), -1)
    noise = np.random.default_rng(2).normal(0, 12, plain.shape)
    stream = io.BytesIO()
    Image.fromarray((plain + noise).clip(0, 255).astype(np.uint8)).save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("size", [(64, 64), (50, 66), (33, 9), (8, 17), (1, 1)])
@pytest.mark.parametrize("quality", [30, 90, 100])
def test_what_was_coded_in_another_way_is_written_byte_for_byte(
    size: tuple[int, int], subsampling: str, quality: int
) -> None:
    """Sizes with units of which some blocks hold no pixels: those are coded in one order, not in the other."""
    given: dict[str, Any] = {"quality": quality, "subsampling": subsampling}
    plain = pixels_digest(coded(*size, **given))
    for how in ({}, {"optimize": True}, {"progressive": True}, {"restart_marker_blocks": 1}):
        other = coded(*size, **given, **how)
        assert pixels_digest(other) == plain if not how else pixels_digest(other) != plain
        assert pixels_digest(write_normal_form(read_coefficients(other), quality, subsampling)) == plain
