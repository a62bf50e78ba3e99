"""UPI against LibRaw's own rendering of a real file, and its steps against their definitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from invisp_deploy.contract import UNIVERSAL, CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import render_libraw
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.research.rivals.upi import Upi, fitted_gain

WINDOW = (slice(1000, 1512), slice(1600, 2112))
CONTRACTS = [
    CameraContract(white="adjusted", white_balance="min"),
    CameraContract(white="file", white_balance="max"),
    CameraContract(white="file", white_balance="none", curve=1.0),
    CameraContract(white=4095, white_balance="max"),
]


@pytest.fixture(scope="module")
def rendered(sample_raw: Path) -> torch.Tensor:
    target = render_libraw(sample_raw)[WINDOW]
    return torch.from_numpy(target.astype(np.float32).transpose(2, 0, 1)[None] / 255)


def truth(frame: RawFrame, contract: CameraContract) -> torch.Tensor:
    return torch.from_numpy(develop(frame.mosaic, frame.recipe(contract), WINDOW))[None]


@pytest.mark.parametrize("contract", CONTRACTS, ids=["min", "max", "none", "authors"])
def test_libraws_rendering_is_undone_under_every_contract(
    contract: CameraContract, sample_frame: RawFrame, rendered: torch.Tensor
) -> None:
    """Colours of flat places fit; what stays is demosaicing, 8 bits and clipping. Wrong gains miss by 10 dB."""
    raw = truth(sample_frame, contract)
    back = Upi(sample_frame, contract).inverse(rendered)
    small, true = (torch.nn.functional.avg_pool2d(x, 8).numpy() for x in (back, raw))
    assert psnr(small, true, float(raw.max())) > 32


def test_the_gain_of_libraws_rendering_is_one(sample_frame: RawFrame, rendered: torch.Tensor) -> None:
    raw = truth(sample_frame, CONTRACTS[0])
    gain = fitted_gain([(Upi(sample_frame, CONTRACTS[0]), raw, rendered)])
    assert gain == pytest.approx(1, abs=0.05)


def test_a_gain_is_found_again(sample_frame: RawFrame, rendered: torch.Tensor) -> None:
    upi = Upi(sample_frame, CONTRACTS[0], curve="published")
    dim = Upi(sample_frame, CONTRACTS[0], curve="published", gain=1.6)
    dark = rendered * 0.7
    assert fitted_gain([(upi, dim.inverse(dark), dark)]) == pytest.approx(1.6, rel=0.02)
    with pytest.raises(RequestError, match="gain of 1, got"):
        fitted_gain([(dim, dark, dark)])
    with pytest.raises(RequestError, match="neither black nor clipped"):
        fitted_gain([(upi, dark, torch.ones_like(dark))])


def test_the_published_curve_is_the_inverse_of_the_smoothstep(sample_frame: RawFrame) -> None:
    contract = CameraContract(white="adjusted", white_balance="min", curve=1.0)
    upi = Upi(sample_frame, contract, curve="published")
    linear = torch.linspace(0.05, 0.6, 12)
    encoded = linear ** (1 / 2.2)
    grey = (3 * encoded**2 - 2 * encoded**3).view(1, 1, 1, -1).expand(1, 3, 1, -1)
    assert torch.allclose(upi.inverse(grey)[0, 1, 0], linear, atol=1e-5)


def test_libraws_curve_is_bt709(sample_frame: RawFrame) -> None:
    upi = Upi(sample_frame, CameraContract(white="adjusted", white_balance="min", curve=1.0))
    linear = torch.linspace(0.0, 0.6, 25)
    encoded = torch.where(linear < 0.018, 4.5 * linear, 1.099 * linear**0.45 - 0.099)
    grey = encoded.view(1, 1, 1, -1).expand(1, 3, 1, -1)
    assert torch.allclose(upi.inverse(grey)[0, 1, 0], linear, atol=5e-4)


def test_white_stays_at_full_scale(sample_frame: RawFrame) -> None:
    """The safe inversion of gains: a clipped pixel is saturated in all channels of the sensor."""
    contract = CameraContract(white="adjusted", white_balance="none", curve=1.0)
    white = Upi(sample_frame, contract).inverse(torch.ones(1, 3, 1, 1))
    assert torch.allclose(white, torch.ones(1, 3, 1, 1), atol=1e-4)


@pytest.mark.parametrize("lacking", ["color_matrix", "gains"])
def test_a_frame_without_its_numbers_is_refused(lacking: str, small_frame: RawFrame) -> None:
    frame = replace(small_frame, **{lacking: None})
    with pytest.raises(RequestError, match="colour matrix and the as-shot white balance of Canon EOS 30D"):
        Upi(frame, CameraContract(white_balance="none"))


def test_a_contract_beyond_the_camera_s_own_colour_is_refused(small_frame: RawFrame) -> None:
    with pytest.raises(RequestError, match="color srgb, curve bt709: pass one of color camera and a number"):
        Upi(small_frame, UNIVERSAL)


def test_a_curve_that_does_not_exist(small_frame: RawFrame) -> None:
    with pytest.raises(RequestError, match="published, libraw, got 'srgb'"):
        Upi(small_frame, CONTRACTS[0], curve="srgb")
