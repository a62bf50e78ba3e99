"""Pieces of a curve, point by point."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.sensor.companding import Companding, companding_points

HDR = "0:0,512:512,1408:4096,2176:16384,4000:65535"


def test_every_code_lies_on_the_straight_piece_of_its_points() -> None:
    curve = companding_points(HDR)
    codes = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    expanded = curve.expand(codes)
    assert expanded.dtype == np.uint16
    points = [(0, 0), (512, 512), (1408, 4096), (2176, 16384), (4000, 65535)]
    for (low, start), (high, end) in zip(points, points[1:], strict=False):
        for code in range(low, high + 1):
            exact = start + Fraction(code - low, high - low) * (end - start)
            assert abs(int(expanded[code // 64, code % 64]) - exact) <= Fraction(1, 2)
    assert (expanded.ravel()[4000:] == 65535).all(), "level behind the last point"
    assert curve.white == 65535
    assert str(curve) == HDR


@pytest.mark.parametrize(
    "text", ["", "0:0", "0:0;9:9", "5:0,5:9", "9:0,5:9", "0:9,9:5", "0:0,4095:1048575", "0:-1,5:5"]
)
def test_what_is_no_curve(text: str) -> None:
    with pytest.raises(RequestError, match="`companding` takes"):
        companding_points(text)


def test_no_points() -> None:
    with pytest.raises(RequestError, match="at least two points"):
        Companding(())
