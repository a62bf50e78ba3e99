"""Peers against what the authors' code computed, and the comparison that comes before any clock."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invisp_deploy.benchmark import peers
from invisp_deploy.benchmark.cases import Case, candidates_of, cases_of, open_candidate
from invisp_deploy.benchmark.peers import EAGER, PEERS, PYTORCH, AuthorsForm, open_peer, side_by_side
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.steps import Array
from invisp_deploy.network.checkpoint import Checkpoint, load_authors, save_checkpoint
from invisp_deploy.tolerances import TOLERANCES
from tests.benchmark.conftest import Small
from tests.callable_runtime import CallableRuntime
from tests.graphs import CANON_30D, gentle_network


def refuse(module: Any, **options: Any) -> Any:
    raise RuntimeError("no compiler here\nand a long trace")


def uncompiled(module: Any, **options: Any) -> Any:
    return module


def cases(small: Small, edge: int = 32) -> list[Case]:
    sources = candidates_of([str(small.folder)], [])
    return cases_of(sources, [open_candidate(source, 1) for source in sources], [edge], 1)


@pytest.mark.parametrize(("way", "given", "made"), [("forward", "raw", "rgb"), ("inverse", "rgb", "raw_from_rgb")])
@pytest.mark.parametrize("folded", [False, True])
def test_the_authors_form_computes_what_the_authors_code_did(
    golden_checkpoint: Path, golden_arrays: dict[str, np.ndarray], way: str, given: str, made: str, folded: bool
) -> None:
    form = AuthorsForm(load_authors(golden_checkpoint, CameraContract()).network, Direction(way), folded=folded).eval()
    with torch.inference_mode():
        found = form(torch.from_numpy(golden_arrays[given])).numpy()
    assert np.abs(found - golden_arrays[made]).max() < TOLERANCES["golden"].limit


def test_weights_are_built_at_every_call(golden_checkpoint: Path) -> None:
    """Unlike ours, which keep them: the peer must not be timed without work that the authors' code does."""
    network = load_authors(golden_checkpoint, CameraContract()).network.eval()
    counts = {way: 0 for way in Direction}
    for way in Direction:
        form = AuthorsForm(network, way).eval()
        weight: Callable[..., Any] = form._weight

        def counted(*arguments: Any, way: Direction = way, weight: Callable[..., Any] = weight) -> Any:
            counts[way] += 1
            return weight(*arguments)

        form._weight = counted  # type: ignore[method-assign]
        with torch.inference_mode():
            for _ in range(3):
                form(torch.rand(1, 3, 8, 8))
    assert set(counts.values()) == {3 * network.config.blocks}


def test_all_peers_equal_ours_before_they_are_timed(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", uncompiled)
    ours = cases(small)
    found = side_by_side(ours, small.checkpoint, "cpu", 1, tmp_path)
    assert found.failed == ()
    assert [case.key for case in found.cases[:2]] == [case.key for case in ours]
    peers = sorted((case.key.direction, case.key.runtime) for case in found.cases[2:])
    assert peers == sorted((way.value, name) for way in Direction for name in PEERS["cpu"])
    assert set(found.psnr) == {case.key for case in found.cases}
    assert min(found.psnr.values()) >= 100
    for way in Direction:
        outputs = [case.run() for case in found.cases if case.key.direction == way.value]
        assert all(np.abs(output - outputs[0]).max() < 2e-5 for output in outputs)
    (naive,) = {path.name for path in tmp_path.iterdir()} & {"inverse-32x32.onnx"}
    assert (tmp_path / naive).stat().st_size > 1000, "weights inside"


def test_what_does_not_compile_is_listed_with_its_reason(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", refuse)
    monkeypatch.setattr(peers, "export_naively", refuse)
    found = side_by_side(cases(small)[:1], small.checkpoint, "cpu", 1, tmp_path)
    assert [case.key.runtime for case in found.cases[1:]] == [EAGER, f"{EAGER} channels-last"]
    reasons = {one.key.runtime: one.why for one in found.failed}
    assert reasons["torch.compile"] == "failed: RuntimeError: no compiler here"
    assert reasons["naive ONNX export"].startswith("failed: TypeError")


def test_a_case_that_computes_something_else_is_not_timed(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", refuse)
    monkeypatch.setattr(peers, "export_naively", refuse)
    (ours, _) = cases(small)

    def off(x: Array) -> Array:
        return ours.runtime.run({"raw": x})["srgb"] + np.float32(0.01)

    wrong = Case(ours.key, CallableRuntime(off, ours.runtime.card), ours.feeds, ours.tile)
    found = side_by_side([wrong], small.checkpoint, "cpu", 1, tmp_path)
    assert wrong.key not in {case.key for case in found.cases}
    (why,) = [one.why for one in found.failed if one.key == wrong.key]
    assert why == "failed: 40.0 dB against PyTorch eager, at least 100 dB are needed"


def test_graphs_of_other_weights_are_refused(small: Small, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, Checkpoint(gentle_network(NetworkConfig(1, 4, 2), seed=1), CANON_30D))
    with pytest.raises(ContractError, match=r"pass graphs that were exported from it"):
        side_by_side(cases(small), other, "cpu", 1, tmp_path)


def test_either_layout_is_measured_on_every_device() -> None:
    """A CPU is up to twice as fast with channels last: a ratio to PyTorch that leaves it out is too high."""
    for names in PEERS.values():
        assert {"PyTorch eager channels-last", "torch.compile channels-last"} <= set(names) & PYTORCH
        assert "naive ONNX export" not in set(names) & PYTORCH


def test_channels_last_reaches_the_convolutions(small: Small) -> None:
    task = {"checkpoint": str(small.checkpoint), "direction": "forward", "device": "cpu", "threads": 1}
    tensor = torch.rand(1, 3, 16, 16)
    for name, layout in ((EAGER, torch.contiguous_format), (f"{EAGER} channels-last", torch.channels_last)):
        peer = open_peer({**task, "peer": name})
        seen: list[tuple[bool, bool]] = []
        for part in peer._module.modules():  # type: ignore[attr-defined]
            if isinstance(part, torch.nn.Conv2d) and part.in_channels > 1 and part.kernel_size != (1, 1):
                part.register_forward_hook(
                    lambda part, given, made, layout=layout, seen=seen: seen.append(
                        (part.weight.is_contiguous(memory_format=layout), made.is_contiguous(memory_format=layout))
                    )
                )
        peer.run({peer.inputs[0].name: tensor.numpy()})
        assert seen
        assert all(pair == (True, True) for pair in seen), name


def test_half_precision_keeps_the_matrices_in_fp32(small: Small) -> None:
    """On the CPU, because there it can be tested; the GPU's peers are made the same way."""
    task = {"checkpoint": str(small.checkpoint), "direction": "inverse", "device": "cpu", "threads": 1}
    half, full = (open_peer({**task, "peer": name}) for name in ("PyTorch eager half channels-last", EAGER))
    assert half.card.precision == "fp16"
    tensor = np.random.default_rng(0).random((1, 3, 16, 16), np.float32)
    error = np.abs(half.run({"srgb": tensor})["raw"] - full.run({"srgb": tensor})["raw"]).max()
    assert 1e-5 < error < 0.02
