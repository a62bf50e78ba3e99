"""Methods by name: weights of the run's seed, crops that fit, files of the right kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import load_checkpoint, weights_hash
from invisp_deploy.research.rivals.open import load_rival
from invisp_deploy.training.method import new_method, saver
from invisp_deploy.training.options import DataOptions, OptimiserOptions
from invisp_deploy.training.run import Run

CONTRACT = CameraContract(cfa="RGGB")
RUN = Run(CONTRACT, NetworkConfig(1, 4, 2), data=DataOptions(32))


@pytest.mark.parametrize("run", [RUN, Run(CONTRACT, method="cycleisp")])
def test_the_seed_decides_the_weights_and_they_are_written_by_kind(
    run: Run, small_frame: RawFrame, tmp_path: Path
) -> None:
    seeded = [replace(run, optimiser=OptimiserOptions(seed=seed)) for seed in (1, 1, 2)]
    networks = [new_method(one, small_frame) for one in seeded]
    hashes = [weights_hash(network) for network in networks]
    assert hashes[0] == hashes[1] != hashes[2]
    path = tmp_path / "weights.safetensors"
    saver(CONTRACT)(path, networks[0], {"steps": 3})
    saved = load_checkpoint(path) if run.config is not None else load_rival(path)
    assert (saved.weights, saved.contract, saved.card) == (hashes[0], CONTRACT, {"steps": 3})


def test_what_cannot_be_trained_is_refused(small_frame: RawFrame) -> None:
    with pytest.raises(RequestError, match="nothing to train in upi"):
        new_method(Run(CONTRACT, method="upi"), small_frame)
    with pytest.raises(RequestError, match="a multiple of the squeeze, 3, got 32"):
        new_method(replace(RUN, config=NetworkConfig(1, 4, 3)), small_frame)
    with pytest.raises(RequestError, match="a multiple of what unet needs, 32, got 48"):
        new_method(Run(CONTRACT, method="unet", data=DataOptions(48)), small_frame)
    with pytest.raises(RequestError, match="There is no rival 'nothing'"):
        new_method(Run(CONTRACT, method="nothing"), small_frame)
