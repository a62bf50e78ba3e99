"""DNGs to compare sizes with, opened by LibRaw: lossless is exact, lossy is near."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.errors import RawFileError
from invisp_deploy.evaluation.metrics import psnr
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.research.dng import mosaic_of_lossy, write_lossless, write_lossy


@pytest.mark.parametrize(("white", "cfa"), [(4095, "RGGB"), (16383, "GBRG")])
def test_a_lossless_dng_holds_the_mosaic_exactly(white: int, cfa: str, small_frame: RawFrame, tmp_path: Path) -> None:
    mosaic = (small_frame.mosaic.astype(np.uint32) * (white + 1) // 4096).astype(np.uint16)
    frame = replace(small_frame, mosaic=mosaic, white=white, cfa=cfa)
    write_lossless(tmp_path / "a.dng", frame)
    back = read_raw(tmp_path / "a.dng")
    assert np.array_equal(back.mosaic, mosaic)
    assert (back.cfa, back.black, back.white) == (cfa, frame.black, white)
    assert back.gains == pytest.approx([gain / min(frame.gains) for gain in frame.gains], rel=1e-4)
    assert (tmp_path / "a.dng").stat().st_size < mosaic.nbytes


def test_a_lossy_dng_is_near(small_frame: RawFrame, tmp_path: Path) -> None:
    span = small_frame.white - np.mean(small_frame.black)
    fidelity, sizes = [], []
    for quality in (50, 90, 98):
        write_lossy(tmp_path / "a.dng", small_frame, quality)
        back = mosaic_of_lossy(tmp_path / "a.dng", small_frame)
        fidelity.append(psnr(back, small_frame.mosaic, span))
        sizes.append((tmp_path / "a.dng").stat().st_size)
    assert fidelity == sorted(fidelity)
    assert sizes == sorted(sizes)
    assert fidelity[1] > 45


def test_sides_that_are_no_multiple_of_a_tile(small_frame: RawFrame, tmp_path: Path) -> None:
    frame = replace(small_frame, mosaic=np.tile(small_frame.mosaic, (2, 2))[:300, :271])
    write_lossy(tmp_path / "a.dng", frame)
    assert mosaic_of_lossy(tmp_path / "a.dng", frame).shape == (300, 270)
    write_lossless(tmp_path / "b.dng", frame)
    assert np.array_equal(read_raw(tmp_path / "b.dng").mosaic, frame.mosaic[:, :270])


def test_what_is_no_lossy_dng(small_frame: RawFrame, tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(b"II*\0" + bytes(2000))
    with pytest.raises(RawFileError, match="no lossy DNG"):
        mosaic_of_lossy(tmp_path / "a.dng", small_frame)
