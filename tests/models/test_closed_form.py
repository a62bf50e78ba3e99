"""The closed form as a model: exact both ways where nothing clips, at every phase, without as-shot gains too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from invisp_deploy.cli.run import run_command
from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.rendering.model import load


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_a_frame_of_any_phase_comes_back_from_16_bits(cfa: str, small_frame: RawFrame) -> None:
    """Smooth grey light that clips nowhere, in whole DN: the picture is grey and the mosaic comes back to the DN."""
    rows, columns = np.indices((40, 62))
    gains = np.array(small_frame.gains) / min(small_frame.gains)  # type: ignore[type-var]
    site = gains[np.array(["RGB".index(letter) for letter in cfa])[rows % 2 * 2 + columns % 2]]
    light = (0.15 + 0.3 * rows / 40 + 0.3 * columns / 62) / site
    mosaic = np.rint(128 + light * (small_frame.white - 128)).astype(np.uint16)
    frame = replace(small_frame, mosaic=mosaic, cfa=cfa, black=(128.0,) * 4)
    with load("closed-form") as model:
        picture = model.render(frame, bits=16)
        back = model.recover(picture)
    assert np.ptp(picture.pixels[8:-8, 8:-8].astype(int), axis=2).max() < 0.02 * 65535
    assert (back.cfa, back.mosaic.shape) == (cfa, mosaic.shape)
    assert np.abs(back.mosaic.astype(int) - mosaic).max() <= 1


def test_daylight_is_said(small_frame: RawFrame, tmp_path: Path) -> None:
    bare = replace(small_frame, gains=None)
    write_dng(tmp_path / "bare.dng", bare)
    words = [str(tmp_path / "bare.dng"), "-o", str(tmp_path / "a.jpg"), "--model", "closed-form"]
    said = CliRunner().invoke(run_command, words)
    assert said.exit_code == 0, said.output
    assert "taken for daylight" in said.stderr
    again = CliRunner().invoke(run_command, [*words, "--overwrite", "--json", "--white-balance", "2,1,1.5"])
    assert json.loads(again.stdout)["files"][0]["light"] == "given"


def test_a_matrix_may_be_given(small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", small_frame)
    words = [str(tmp_path / "a.dng"), "-o", str(tmp_path / "a.jpg"), "--model", "closed-form", "--overwrite"]
    given = ",".join(str(number) for row in np.eye(3) for number in row)
    plain, other = (
        CliRunner().invoke(run_command, line) and (tmp_path / "a.jpg").read_bytes()
        for line in (words, [*words, "--color-matrix", given])
    )
    assert plain != other
    refused = CliRunner().invoke(run_command, [*words, "--color-matrix", "1,2,3"])
    assert (refused.exit_code, "nine numbers" in refused.stderr) == (2, True)
