"""NVIDIA's own builder on our graphs: both directions, both configurations, fixed and dynamic; and its refusals."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from invisp_deploy.engines.build import BuildSettings, Built, build_plan, check_level, parse_graph
from invisp_deploy.errors import EngineError, GraphError, RequestError
from invisp_deploy.runtimes.tensorrt.backend import load_backend
from invisp_deploy.runtimes.tensorrt.engine_card import Profile
from tests.graphs import Graphs

FIXED = Profile((384, 512), (384, 512), (384, 512))
RANGE = Profile((64, 64), (512, 512), (768, 1024))


def build(
    path: Path,
    profile: Profile = FIXED,
    targets: tuple[str, ...] = ("sm86", "sm89"),
    progress: Callable[[float, str], object] = lambda done, phase: None,
) -> Built:
    settings = BuildSettings("tensorrt-rtx", profile, targets)
    return build_plan(load_backend("tensorrt-rtx"), path, settings, progress=progress)


@pytest.mark.parametrize("profile", [FIXED, RANGE], ids=["fixed", "range"])
def test_both_directions_become_plans(graphs: Graphs, profile: Profile) -> None:
    for path in (graphs.forward, graphs.inverse):
        built = build(path, profile)
        assert len(built.plan) > path.stat().st_size  # the weights are in it
        assert 0 < built.seconds < 60
        assert built.peak_memory > 50_000_000
        assert built.device_memory is not None
        assert built.device_memory > 4 * 3 * profile.largest[0] * profile.largest[1]
        assert built.timing_cache == b""
        assert built.notes == ()


def test_the_whole_paper_network_both_ways(whole_paper: Graphs) -> None:
    for path in (whole_paper.forward, whole_paper.inverse):
        assert len(build(path, RANGE).plan) > path.stat().st_size > 5_000_000


@pytest.mark.parametrize("profile", [FIXED, RANGE], ids=["fixed", "range"])
def test_a_graph_gives_the_same_plan_but_for_the_numbering_of_sizes(
    graphs: Graphs, tmp_path: Path, profile: Profile
) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(graphs.forward.read_bytes())
    first, second = (np.frombuffer(build(path, profile).plan, np.uint8) for path in (graphs.forward, other))
    assert first.shape == second.shape
    assert np.count_nonzero(first != second) < 1000


def test_what_decides_a_plan_changes_it(small: Graphs) -> None:
    plans = [build(small.forward).plan, build(small.inverse).plan, build(small.forward, RANGE).plan]
    plans += [build(small.forward, targets=targets).plan for targets in (("sm86",), ("sm120",))]
    assert len(set(plans)) == len(plans)


def test_progress_rises_to_one_and_names_phases(small: Graphs) -> None:
    told: list[tuple[float, str]] = []
    build(small.forward, progress=lambda done, phase: told.append((done, phase)))
    parts = [done for done, _ in told]
    assert parts == sorted(parts)
    assert parts[0] < 0.1
    assert parts[-1] == 1
    assert {"Building engine", "Preparing graph for optimization"} <= {phase for _, phase in told}


def test_an_interrupt_ends_the_build_and_the_handler_is_put_back(small: Graphs) -> None:
    before = signal.getsignal(signal.SIGINT)
    told: list[float] = []

    def interrupt(done: float, phase: str) -> None:
        told.append(done)
        if len(told) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build(small.forward, progress=interrupt)
    assert told[-1] < 1
    assert signal.getsignal(signal.SIGINT) is before


def test_the_builder_refuses_a_range_without_a_profile(small: Graphs) -> None:
    """What our own profile is there for; the builder says so itself."""
    module = load_backend("tensorrt-rtx")
    log = module.Logger(module.Logger.INTERNAL_ERROR)
    builder, network = parse_graph(module, small.forward, log)
    assert -1 in tuple(network.get_input(0).shape)
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(module.ComputeCapability.SM86, 0)
    assert builder.build_serialized_network(network, config) is None
    profile = builder.create_optimization_profile()
    profile.set_shape("mosaic", *[(1, 64, 64, 2)] * 3)
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config) is not None


def test_the_builders_reason_is_in_the_sentence(small: Graphs) -> None:
    with pytest.raises(
        EngineError, match=r"could not build .*forward.onnx for 65x65: .*samples.sites: reshape changes volume"
    ):
        build(small.forward, Profile((65, 65), (65, 65), (65, 65)))
    with pytest.raises(EngineError, match=r"refuses the profile .*MIN<=OPT<=MAX"):
        build(small.forward, Profile((64, 64), (32, 32), (64, 64)))


def test_the_parsers_reason_is_in_the_sentence(small: Graphs, tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("# no graph\n")
    with pytest.raises(GraphError, match=r"tensorrt_rtx 1\.\S+ does not take .*text.onnx .*Failed to parse"):
        build(text)
    text.write_text("this is no graph\n")  # the parser takes it for an empty one
    with pytest.raises(GraphError, match=r"text.onnx has 0 inputs and 0 outputs"):
        build(text)
    model = onnx.load(small.forward)
    node = next(node for node in model.graph.node if node.op_type == "Exp")
    node.op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "strange.onnx")
    with pytest.raises(GraphError, match=r"strange.onnx \(block0\.exp NoSuchOperator: .*export it again"):
        build(tmp_path / "strange.onnx")


def test_optimisation_levels_belong_to_tensorrt() -> None:
    for level in (None, 0, 5):
        check_level(level, "tensorrt")
    for level in (-1, 6):
        with pytest.raises(RequestError, match=f"`level` is 0 to 5, got {level}"):
            check_level(level, "tensorrt")
    check_level(None, "tensorrt-rtx")
    with pytest.raises(RequestError, match="TensorRT for RTX has no optimisation levels.*leave out"):
        check_level(3, "tensorrt-rtx")
