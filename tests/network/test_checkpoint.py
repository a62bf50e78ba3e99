"""Checkpoints load strictly, carry what they mean, and hash to what they hold."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CheckpointError, MissingFileError
from invisp_deploy.network.checkpoint import Checkpoint, load_authors, load_checkpoint, save_checkpoint, weights_hash
from invisp_deploy.network.invisp import InvISP

CONFIG = NetworkConfig(1, 4, 2)
CONTRACT = CameraContract("Canon", "Canon EOS 30D", white="adjusted", cfa="RGGB")


@pytest.fixture
def checkpoint(random_network: Callable[..., InvISP]) -> Checkpoint:
    return Checkpoint(random_network(CONFIG), CONTRACT, {"steps": 3, "metrics": {"raw-psnr": 48.2}})


@pytest.fixture
def own(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "own.safetensors", checkpoint)
    return tmp_path / "own.safetensors"


def rewritten(path: Path, **changes: str) -> Path:
    """The same tensors with a changed header; a value of `-` takes the field out."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as stream:
        header = stream.metadata() | changes
    save_file(load_file(path), path, {key: value for key, value in header.items() if value != "-"})
    return path


def test_safetensors_round_trip(checkpoint: Checkpoint, own: Path) -> None:
    loaded = load_checkpoint(own)
    assert loaded.config == CONFIG
    assert loaded.contract == CONTRACT
    assert loaded.card == checkpoint.card
    assert not loaded.network.training
    expected = checkpoint.network.state_dict()
    for name, tensor in loaded.network.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_the_authors_file_loads_strictly(golden_checkpoint: Path) -> None:
    loaded = load_authors(golden_checkpoint, CONTRACT)
    assert loaded.config == NetworkConfig(blocks=2)
    stored = torch.load(golden_checkpoint, weights_only=True)
    assert set(loaded.network.state_dict()) == set(stored)
    assert all(torch.equal(tensor, stored[name]) for name, tensor in loaded.network.state_dict().items())
    assert loaded.contract == CONTRACT


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(),
        CONFIG,
        NetworkConfig(3, 8, 1, depth=3, kind="chain"),
        NetworkConfig(1, 4, 2, depth=2, first=3),
        NetworkConfig(1, 6, 2, depth=2, first=9, kind="chain"),
        NetworkConfig(12, 3, 3, depth=4, first=5),
    ],
    ids=str,
)
def test_the_tensors_tell_the_network(config: NetworkConfig, tmp_path: Path) -> None:
    network = InvISP(config)
    torch.save(network.state_dict(), tmp_path / "a.pth")
    loaded = load_authors(tmp_path / "a.pth", CONTRACT)
    assert loaded.config == config
    assert weights_hash(loaded.network) == weights_hash(network)


def test_tensors_of_another_network_are_refused_by_what_is_not_right(golden_checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(golden_checkpoint, weights_only=True)
    path = tmp_path / "a.pth"

    def refusal(changes: dict[str, torch.Tensor | None]) -> str:
        changed = {**state, **changes}
        torch.save({name: tensor for name, tensor in changed.items() if tensor is not None}, path)
        with pytest.raises(CheckpointError) as caught:
            load_authors(path, CONTRACT)
        return str(caught.value)

    log_s = "operations.0.invconv.log_s"
    assert f"{log_s} missing" in refusal({log_s: None})
    assert f"{log_s} (4,)" in refusal({log_s: torch.zeros(4)})
    assert "F.conv1.weight (32, 2)" in refusal({"operations.0.F.conv1.weight": torch.zeros(32, 2)})
    assert "`growth` must be" in refusal({"operations.0.F.conv1.weight": torch.zeros(999, 2, 3, 3)})
    wide = refusal({"operations.1.G.conv1.weight": torch.zeros(16, 1, 3, 3)})
    assert "operations.1.G.conv1.weight has shape (16, 1, 3, 3), expected (32, 1, 3, 3)" in wide
    assert "unexpected: weight" in refusal({"weight": torch.zeros(1)})


def test_weights_that_do_not_say_what_they_are_name_the_way_to_convert_them(golden_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"`invisp export checkpoint WEIGHTS\.pth --contract"):
        load_checkpoint(golden_checkpoint)


def test_a_single_missing_key_is_named(golden_checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(golden_checkpoint, weights_only=True)
    del state["operations.1.invconv.log_s"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth does not fit .*missing: operations\.1\.invconv\.log_s\)"):
        load_authors(tmp_path / "a.pth", CONTRACT)


def test_values_that_are_not_finite_are_named(golden_checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(golden_checkpoint, weights_only=True)
    state["operations.0.G.conv3.bias"][4] = float("nan")
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"not finite in operations\.0\.G\.conv3\.bias"):
        load_authors(tmp_path / "a.pth", CONTRACT)


class Evil:
    """What a pickle could run on loading."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path("evil-was-here"),)


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"evil\.pth is not a checkpoint of plain weights"):
        load_authors(tmp_path / "evil.pth", CONTRACT)
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("no checkpoint\n" * 50),
        lambda path: path.write_bytes(pickle.dumps({"weights": Evil()})),
        lambda path: torch.save([torch.zeros(2)], path),
        lambda path: torch.save({"steps": 4}, path),
        lambda path: torch.save({1: torch.zeros(2)}, path),
        lambda path: torch.save(InvISP(CONFIG), path),
    ],
    ids=["empty", "text", "pickle", "list", "number", "numbered", "module"],
)
def test_foreign_files_are_refused_by_name(write: Callable[[Path], Any], tmp_path: Path) -> None:
    write(tmp_path / "foreign.pth")
    with pytest.raises(CheckpointError, match=r"foreign\.pth") as caught:
        load_authors(tmp_path / "foreign.pth", CONTRACT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [10, 50, 99])
def test_truncated_files_are_refused_by_name(share: int, own: Path, golden_checkpoint: Path, tmp_path: Path) -> None:
    for source in (own, golden_checkpoint):
        data = source.read_bytes()
        cut = tmp_path / f"cut{source.suffix}"
        cut.write_bytes(data[: len(data) * share // 100])
        with pytest.raises(CheckpointError, match=rf"cut\{source.suffix}"):
            load_checkpoint(cut) if source == own else load_authors(cut, CONTRACT)


def test_damaged_bytes_are_refused_or_load(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Whatever byte is hit, the answer is a CheckpointError or weights, never another exception."""
    torch.save(checkpoint.network.state_dict(), tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "a.pth").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for place in rng.integers(0, 6000, 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "b.pth").write_bytes(damaged)
        try:
            load_authors(tmp_path / "b.pth", CONTRACT)
        except CheckpointError:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "-"},
        {"format": "invisp-weights-9"},
        {"config": "-"},
        {"config": "{"},
        {"contract": json.dumps({"black": "file"})},
    ],
    ids=str,
)
def test_foreign_headers_are_refused_by_name(own: Path, changes: dict[str, str]) -> None:
    with pytest.raises(CheckpointError, match=r"own\.safetensors has"):
        load_checkpoint(rewritten(own, **changes))


def test_a_missing_file_is_a_request_at_fault(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no checkpoint .*gone\.safetensors"):
        load_checkpoint(tmp_path / "gone.safetensors")
    with pytest.raises(MissingFileError, match=r"no checkpoint .*gone\.pth"):
        load_authors(tmp_path / "gone.pth", CONTRACT)


def test_the_hash_is_that_of_the_numbers_not_of_the_container(
    checkpoint: Checkpoint, own: Path, tmp_path: Path
) -> None:
    torch.save(checkpoint.network.state_dict(), tmp_path / "a.pth")
    reordered = dict(reversed(checkpoint.network.state_dict().items()))
    torch.save(reordered, tmp_path / "b.pth")
    hashes = {load_checkpoint(own).weights}
    hashes |= {load_authors(tmp_path / name, CONTRACT).weights for name in ("a.pth", "b.pth")}
    assert hashes == {checkpoint.weights}
    assert len(checkpoint.weights) == 64


def test_the_hash_sees_one_bit_and_a_swapped_name(checkpoint: Checkpoint) -> None:
    network = checkpoint.network
    before = weights_hash(network)
    bias = network.get_parameter("operations.0.F.conv1.bias")
    with torch.no_grad():
        bias[0] = float(np.nextafter(np.float32(bias[0].item()), np.float32(np.inf)))
    changed = weights_hash(network)
    state = network.state_dict()
    one, other = "operations.0.G.conv1.weight", "operations.0.H.conv1.weight"
    state[one], state[other] = state[other].clone(), state[one].clone()
    network.load_state_dict(state)
    assert len({before, changed, weights_hash(network)}) == 3
