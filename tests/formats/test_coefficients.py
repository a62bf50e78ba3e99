"""Coefficients of JPEGs that libjpeg coded in several ways are one, and are written as libjpeg writes them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.formats.coefficients import read_coefficients, write_normal_form
from invisp_deploy.formats.jpeg import pixels_digest
from tests.conftest import DATA


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


def test_means_are_those_of_the_picture() -> None:
    """The first coefficient of a block is eight times its mean, less that of grey, in steps of the quantisation."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 16), (200, 200, 200)).save(stream, "JPEG", quality=100, subsampling="4:4:4")
    luma, blue, red = read_coefficients(stream.getvalue()).planes
    assert luma.shape == (2, 4, 8, 8)
    np.testing.assert_array_equal(luma[..., 0, 0], (200 - 128) * 8)
    assert not blue.any()
    assert not red.any()
    assert np.count_nonzero(luma) == 8


@pytest.mark.parametrize("name", ["damaged", "arithmetic"])
def test_what_it_does_not_read_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"scan|coding"):
        read_coefficients((DATA / "coded_again" / f"{name}.jpg").read_bytes())
