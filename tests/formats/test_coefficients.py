"""Coefficients of a JPEG are those of its picture; what is not read is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.formats.coefficients import read_coefficients
from tests.conftest import DATA


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
