"""Mirrored rows and columns that bring a frame to a phase and a size."""

from __future__ import annotations

import numpy as np
import pytest

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.isp.alignment import Alignment, alignment_for


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("wanted", CFA_PATTERNS)
@pytest.mark.parametrize("shape", [(6, 8), (7, 9), (6, 9)])
@pytest.mark.parametrize("multiple", [1, 2, 4])
def test_the_alignment_gives_the_wanted_phase_everywhere(
    cfa: str, wanted: str, shape: tuple[int, int], multiple: int
) -> None:
    height, width = shape
    colours = np.tile(np.array([ord(colour) for colour in cfa], np.uint16).reshape(2, 2), (5, 5))[:height, :width]
    alignment = alignment_for(shape, cfa, wanted, multiple)
    aligned = alignment.forward(colours)
    expected = np.tile(np.array([ord(colour) for colour in wanted], np.uint16).reshape(2, 2), (8, 8))
    np.testing.assert_array_equal(aligned, expected[: aligned.shape[0], : aligned.shape[1]])
    assert aligned.shape[0] % multiple == aligned.shape[1] % multiple == 0
    np.testing.assert_array_equal(alignment.inverse(aligned), colours)
    assert max(alignment.top, alignment.left) <= 1
    assert max(alignment.bottom, alignment.right) < multiple


def test_no_alignment_where_none_is_needed() -> None:
    mosaic = np.zeros((6, 8), np.uint16)
    assert alignment_for((6, 8), "GBRG", "any", 2) == Alignment()
    assert Alignment().forward(mosaic) is mosaic


def test_any_phase_still_gets_its_multiples() -> None:
    assert alignment_for((7, 9), "BGGR", "any", 2) == Alignment(bottom=1, right=1)
