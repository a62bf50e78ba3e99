"""What the published code makes of a file, computed again by scipy in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import convolve

from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.errors import ContractError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.develop import develop
from invisp_deploy.research.authors import authors_frame, authors_input


@pytest.mark.parametrize("border", ["constant", "reflect"])
@pytest.mark.parametrize(("make", "white"), [("Canon", 4095), ("NIKON CORPORATION", 16383)])
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_it_is_what_their_code_computes(small_frame: RawFrame, border: str, make: str, white: int, cfa: str) -> None:
    """DN over a constant, black left in; colours by scipy; gains over the largest; gamma. All in float64."""
    source = replace(small_frame, make=make, cfa=cfa, mosaic=small_frame.mosaic[:40, :50])
    rows, columns = np.indices(source.mosaic.shape)
    colours = np.array(list(cfa))[rows % 2 * 2 + columns % 2]
    gains = np.array(source.gains) / max(source.gains or ())
    planes = []
    for colour, gain in zip("RGB", gains, strict=True):
        kernel = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]] if colour == "G" else [[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
        sparse = np.where(colours == colour, source.mosaic.astype(np.float64) / white, 0)
        planes.append((convolve(sparse, kernel, mode=border) * gain) ** (1 / 2.2))
    np.testing.assert_allclose(authors_input(source, border), np.stack(planes), atol=2e-6)


def test_inside_the_frame_our_own_steps_compute_the_same(small_frame: RawFrame) -> None:
    taken = authors_frame(small_frame)
    assert (taken.black, taken.white) == ((0, 0, 0, 0), 4095)
    ours = develop(taken.mosaic, taken.recipe(CameraContract()))
    np.testing.assert_allclose(ours[:, 1:-1, 1:-1], authors_input(small_frame)[:, 1:-1, 1:-1], atol=2e-6)


def test_another_border_is_refused(small_frame: RawFrame) -> None:
    with pytest.raises(ContractError, match="a border of constant, reflect"):
        authors_input(small_frame, "mirror")
