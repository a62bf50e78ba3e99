"""What several rooms of the tests share: the sample RAW file, a crop of it, random networks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: networks this small lose by more

from invisp_deploy.config import NetworkConfig
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw

if TYPE_CHECKING:
    from invisp_deploy.network.invisp import InvISP

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would children

DATA = Path(__file__).parent / "data"
SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture(scope="session")
def golden_checkpoint() -> Path:
    """A checkpoint in the authors' format: 2 blocks, growth 32, random weights."""
    return DATA / "golden" / "authors_b2_seed5.pth"


@pytest.fixture(scope="session")
def golden_arrays() -> dict[str, np.ndarray]:
    """What the authors' code computes with `golden_checkpoint`; see data/README.md."""
    with np.load(DATA / "golden" / "authors_b2_seed5_io.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="session")
def sample_raw() -> Path:
    """A whole Canon EOS 30D file."""
    return SAMPLES / "canon_eos30d_IMG_0848.CR2"


@pytest.fixture(scope="session")
def sample_frame(sample_raw: Path) -> RawFrame:
    """`sample_raw` as read; its mosaic must not be written to."""
    frame = read_raw(sample_raw)
    frame.mosaic.setflags(write=False)
    return frame


@pytest.fixture(scope="session")
def small_frame(sample_frame: RawFrame) -> RawFrame:
    """256x256 pixels out of the sample, phase kept (RGGB)."""
    return replace(sample_frame, mosaic=np.ascontiguousarray(sample_frame.mosaic[1000:1256, 1600:1856]))


@pytest.fixture(scope="session")
def small_dng(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small_frame` as a DNG file; must not be written to."""
    path = tmp_path_factory.mktemp("small") / "small.dng"
    write_dng(path, small_frame)
    return path


@pytest.fixture(scope="session")
def random_network() -> Callable[..., InvISP]:
    """Builds a network in eval mode whose weights are all random and not zero: nothing is the identity."""

    def build(config: NetworkConfig, seed: int = 0, spread: float = 0.15) -> InvISP:
        import torch

        from invisp_deploy.network.invisp import InvISP

        torch.manual_seed(seed)
        network = InvISP(config)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if ".conv" in name:
                    parameter.normal_(0, spread)
        return network.eval()

    return build
