"""A graph to a finished engine: what is written, what is found again, what is refused and leaves nothing."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.engines import make
from invisp_deploy.engines.cache import EngineCache
from invisp_deploy.engines.make import EngineRequest, MadeEngine, make_engine
from invisp_deploy.errors import (
    EngineError,
    GraphError,
    InvispError,
    MissingFileError,
    MissingPackageError,
    OutputError,
    ParityError,
    RequestError,
)
from invisp_deploy.files import sha256_file
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import MEAN, Feeds, Runtime
from invisp_deploy.runtimes.golden import golden_path, read_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt import backend
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, read_engine_card, sidecar_path
from tests.engines.precisions import made, made_arithmetic, write_precise
from tests.graphs import Graphs

ADA = CudaDevice("NVIDIA RTX 4090", "sm89", "13.0", 24_000_000_000)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a machine with a GPU."""
    monkeypatch.setattr(make, "find_device", lambda: None)


@pytest.fixture
def request_for(small: Graphs, tmp_path: Path) -> EngineRequest:
    (tmp_path / "out").mkdir()
    return EngineRequest(small.forward, tmp_path / "out" / "f.trt", "tensorrt-rtx", tile="64x96", targets="sm89")


def with_gpu(monkeypatch: pytest.MonkeyPatch, device: CudaDevice, opened: Callable[[Path], Runtime]) -> None:
    monkeypatch.setattr(make, "find_device", lambda: device)
    monkeypatch.setattr(make, "open_engine", opened)


def refused(request: EngineRequest, kind: type[InvispError], *parts: str) -> None:
    before = sorted(request.output.parent.rglob("*"))
    with pytest.raises(kind) as caught:
        make_engine(request, None)
    assert type(caught.value) is kind
    for part in parts:
        assert part in str(caught.value)
    assert sorted(request.output.parent.rglob("*")) == before


def test_an_engine_is_three_files_that_belong_together(request_for: EngineRequest, small: Graphs) -> None:
    made = make_engine(request_for, None)
    path = request_for.output
    assert sorted(file.name for file in path.parent.iterdir()) == ["f.trt", "f.trt.json", "f.trt.npz"]
    card = read_engine_card(path)
    assert made == MadeEngine(path, card, False, ())
    assert card.engine == sha256_file(path)
    assert card.onnx == sha256_file(small.forward)
    assert card.graph == OnnxRuntime(small.forward).card
    assert (card.backend, card.targets) == ("tensorrt-rtx", ("sm89",))
    assert card.backend_version == backend.load_backend("tensorrt-rtx").__version__
    assert card.profile.fixed
    assert card.profile.optimal == (64, 96)
    assert card.verified is None
    assert card.build["tf32"] is False
    assert card.build["optimization_level"] is None
    assert card.build["seconds"] > 0
    assert card.build["peak_memory"] > 50_000_000
    assert set(card.device) == {"system"}


def test_the_golden_crops_are_what_onnxruntime_makes_of_the_same_graph(request_for: EngineRequest) -> None:
    make_engine(request_for, None)
    golden = read_golden(golden_path(request_for.output))
    output = OnnxRuntime(request_for.onnx).apply(golden.input(), golden.numbers)
    assert golden.input().shape == (64, 96)
    assert np.array_equal(golden.cut(output), golden.crops)
    assert golden.crops.std() > 20, "a picture and not a flat field"
    assert golden.reference.startswith("ONNX Runtime ")


def test_a_cached_plan_is_taken_for_what_is_the_same_and_for_nothing_else(
    request_for: EngineRequest, small: Graphs, own_cache: Path
) -> None:
    def again(**changes: object) -> MadeEngine:
        made = make_engine(replace(request_for, overwrite=True, **changes), EngineCache(own_cache))
        assert made.notes == ()
        return made

    first = again()
    assert not first.cached
    second = again()
    assert second.cached
    assert second.card == first.card
    assert sha256_file(second.path) == second.card.engine
    assert again(output=request_for.output.with_name("other.plan")).cached
    for changes in ({"tile": "64"}, {"targets": "sm86"}, {"onnx": small.inverse}, {"sizes": ("32", "64", "64x96")}):
        changes = {"tile": None, **changes} if "sizes" in changes else changes
        assert not again(**changes).cached
    assert not make_engine(replace(request_for, overwrite=True), None).cached


def test_a_damaged_cache_is_built_again_and_said(request_for: EngineRequest, own_cache: Path) -> None:
    first = make_engine(request_for, EngineCache(own_cache))
    (plan,) = own_cache.glob("*.trt")
    plan.write_bytes(plan.read_bytes()[:-1] + b"!")
    made = make_engine(replace(request_for, overwrite=True), EngineCache(own_cache))
    assert not made.cached
    assert made.card.engine == sha256_file(made.path)
    assert made.card.onnx == first.card.onnx
    assert made.notes == (f"the cached engine {plan} is damaged and is built again",)


def test_a_gpu_that_can_run_the_engine_verifies_it(
    request_for: EngineRequest, small: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[EngineCard] = []

    def opened(path: Path) -> Runtime:
        seen.append(read_engine_card(path))
        assert sha256_file(path) == seen[0].engine
        assert path.parent != request_for.output.parent
        return OnnxRuntime(small.forward)

    with_gpu(monkeypatch, ADA, opened)
    made = make_engine(request_for, None)
    figures = read_engine_card(request_for.output).verified
    assert figures == made.card.verified
    assert figures is not None
    assert figures["psnr"] >= figures["psnr_limit"] == 70
    assert 0 <= figures["max_abs"] < 1e-5
    assert (figures["device"], figures["capability"], figures["size"]) == (ADA.name, "sm89", [64, 96])
    assert seen[0].verified is None


def test_a_gpu_that_the_engine_is_not_for_verifies_nothing(
    request_for: EngineRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch, replace(ADA, capability="sm86"), lambda path: pytest.fail("opened"))
    assert make_engine(request_for, None).card.verified is None


class Wrong(OnnxRuntime):
    """An engine whose picture is off by so many codes."""

    codes = 1

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        results = super()._run(feeds)
        return {**results, "rgb": results["rgb"] + np.uint8(self.codes)}


class NotFinite(OnnxRuntime):
    """An engine whose network made a value that rounding to codes hides."""

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        return {**super()._run(feeds), MEAN: np.array([np.nan], np.float32)}


def test_an_engine_that_computes_something_else_is_not_written(
    request_for: EngineRequest, small: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch, ADA, lambda path: Wrong(small.forward))
    refused(
        request_for, ParityError, "48.1 dB", "at 64x96", "must reach 70 dB", "nothing was written", "no plan is kept"
    )
    with_gpu(monkeypatch, ADA, lambda path: NotFinite(small.forward))
    refused(request_for, EngineError, "computed values that are not finite")
    with_gpu(monkeypatch, ADA, lambda path: OnnxRuntime(small.forward))
    make_engine(request_for, None)


def test_a_plan_that_fails_its_check_is_not_kept(
    request_for: EngineRequest, small: Graphs, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    real = make.build_plan

    def build(module: object, onnx: Path, *rest: object) -> object:
        built.append(onnx)
        return real(module, onnx, *rest)

    monkeypatch.setattr(make, "build_plan", build)
    turns = ((Wrong, 1, False), (NotFinite, 2, False), (OnnxRuntime, 3, True), (OnnxRuntime, 3, True))
    for engine, builds, kept in turns:
        with_gpu(monkeypatch, ADA, lambda path, engine=engine: engine(small.forward))
        asked = replace(request_for, overwrite=True)
        if kept:
            make_engine(asked, EngineCache(own_cache))
        else:
            with pytest.raises((ParityError, EngineError)):
                make_engine(asked, EngineCache(own_cache))
        assert (len(built), bool(list(own_cache.glob("*.json")))) == (builds, kept)


def test_a_cached_plan_that_fails_its_check_is_dropped(
    request_for: EngineRequest, small: Graphs, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept where no GPU could check it, found wrong where one can: the next call builds."""
    make_engine(request_for, EngineCache(own_cache))
    assert len(list(own_cache.glob("*.trt"))) == 1
    with_gpu(monkeypatch, ADA, lambda path: Wrong(small.forward))
    with pytest.raises(ParityError):
        make_engine(replace(request_for, overwrite=True), EngineCache(own_cache))
    assert not list(own_cache.glob("*.trt")) + list(own_cache.glob("*.json"))
    with_gpu(monkeypatch, ADA, lambda path: OnnxRuntime(small.forward))
    made = make_engine(replace(request_for, overwrite=True), EngineCache(own_cache))
    assert not made.cached
    assert made.card.verified is not None


def test_an_int8_engine_says_what_it_computes_in_and_what_it_is_held_to(tmp_path: Path) -> None:
    network = made(CONFIGURATIONS["universal"])
    arithmetic = made_arithmetic(network, "int8", frozenset({"block0.F"}))
    path = write_precise(tmp_path, network, arithmetic)[Direction.INVERSE]
    engine = make_engine(EngineRequest(path, tmp_path / "i.trt", "tensorrt-rtx", "132", targets="sm89"), None)
    card = read_engine_card(engine.path)
    assert card.build["convolutions"] == {"Half": 2, "Int8": 2}
    assert card.self_psnr is not None
    assert 60 < card.self_psnr < 90


def test_a_workspace_is_asked_of_the_builder_and_tells_plans_apart(request_for: EngineRequest, own_cache: Path) -> None:
    made = [
        make_engine(replace(request_for, workspace=workspace, overwrite=True), EngineCache(own_cache))
        for workspace in (None, 64, 64)
    ]
    assert [one.card.build["workspace"] for one in made] == [None, 64_000_000, 64_000_000]
    assert [one.cached for one in made] == [False, False, True]


def test_a_failed_rebuild_leaves_the_older_engine(
    request_for: EngineRequest, small: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_engine(request_for, None)
    before = {path: path.read_bytes() for path in request_for.output.parent.iterdir()}
    with_gpu(monkeypatch, ADA, lambda path: Wrong(small.forward))
    refused(replace(request_for, overwrite=True), ParityError)
    assert {path: path.read_bytes() for path in request_for.output.parent.iterdir()} == before


def test_what_is_no_graph_of_ours(request_for: EngineRequest, small: Graphs, tmp_path: Path) -> None:
    refused(
        replace(request_for, onnx=tmp_path / "no.onnx"), MissingFileError, "There is no graph", "invisp-export onnx"
    )
    refused(replace(request_for, onnx=tmp_path), RequestError, "is a folder: name the graph in it")
    refused(replace(request_for, onnx=tmp_path / "engine.trt"), RequestError, "named like an engine", "ONNX graph")
    text = tmp_path / "text.onnx"
    text.write_text("no graph")
    refused(replace(request_for, onnx=text), GraphError, "is not an ONNX graph")
    model = onnx.load(small.forward)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    refused(replace(request_for, onnx=tmp_path / "foreign.onnx"), GraphError, "is not a graph of invisp-deploy")


def test_outputs_that_cannot_be(request_for: EngineRequest) -> None:
    output = request_for.output
    for name in ("f.onnx", "f"):
        refused(replace(request_for, output=output.with_name(name)), RequestError, ".trt", f"got {name}", "f.trt")
    refused(replace(request_for, output=output.parent / "no" / "f.trt"), MissingFileError, "does not exist")
    with pytest.raises(OutputError, match="/proc"):
        make_engine(replace(request_for, output=Path("/proc/f.trt")), None)
    for path in (output, golden_path(output), sidecar_path(output)):
        path.write_text("mine")
        refused(request_for, RequestError, f"{path} exists already", "`overwrite`")
        path.unlink()


def test_what_does_not_fit_is_refused_before_the_builder_is_touched(
    request_for: EngineRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "build_plan", lambda *arguments: pytest.fail("built"))
    refused(replace(request_for, tile="65"), RequestError, "multiples of 2", "pass 66x66")
    refused(replace(request_for, tile="40"), RequestError, "leaves no core", "halo of 22", "larger than 44")
    refused(replace(request_for, targets="sm87"), EngineError, "does not build for sm87 (Jetson Orin)")
    refused(replace(request_for, level=3), RequestError, "no optimisation levels")


def test_fp8_is_refused_for_sm86_before_the_builder_is_touched(
    request_for: EngineRequest, small: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(small.forward)
    for entry in model.metadata_props:
        entry.value = "fp8" if entry.key == "invisp.precision" else entry.value
    onnx.save(model, tmp_path / "fp8.onnx")
    monkeypatch.setattr(make, "build_plan", lambda *arguments: pytest.fail("built"))
    asked = replace(request_for, onnx=tmp_path / "fp8.onnx", targets="sm86,sm89")
    refused(asked, EngineError, "The graph is fp8, which sm86 cannot run", "sm89 or later")


def test_tensorrt_that_is_missing_old_or_without_a_gpu(
    request_for: EngineRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module is simulated as far as the checks look; a builder that were touched here would crash."""
    asked = replace(request_for, backend="tensorrt", targets=None)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    refused(
        asked,
        MissingPackageError,
        "package tensorrt is not installed",
        "`backend` tensorrt-rtx builds for desktop GPUs",
    )
    module = types.SimpleNamespace(__version__="10.2.0.19")
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    refused(asked, EngineError, "tensorrt 10.2.0.19 is too old, this needs 10.3 or later")
    module.__version__ = "10.3.0"
    monkeypatch.setattr("invisp_deploy.runtimes.tensorrt.cuda_device.find_device", lambda: None)
    refused(asked, EngineError, "TensorRT needs an NVIDIA GPU and this machine shows none")
    monkeypatch.setattr("invisp_deploy.runtimes.tensorrt.cuda_device.find_device", lambda: ADA)
    refused(replace(asked, targets="sm86"), EngineError, "here sm89 (NVIDIA RTX 4090), and `targets` asks for sm86")
    refused(replace(asked, level=9), RequestError, "`level` is 0 to 5, got 9")


def test_a_tensorrt_engine_is_kept_by_gpu_driver_and_level(
    request_for: EngineRequest, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build itself is RTX's: what is looked at is when a plan is taken from the cache."""
    real = make.build_plan
    module = backend.load_backend("tensorrt-rtx")

    def build(_: object, onnx: Path, settings: make.BuildSettings, *rest: object) -> object:
        return real(module, onnx, replace(settings, backend="tensorrt-rtx", level=None), b"")

    monkeypatch.setattr(make, "build_plan", build)
    monkeypatch.setattr(make, "require_backend", lambda backend: types.SimpleNamespace(__version__="10.3.0"))

    def cached(device: CudaDevice = ADA, level: int | None = None) -> bool:
        monkeypatch.setattr(make, "require_device", lambda what: device)
        monkeypatch.setattr(make, "can_run", lambda card, found: False)
        asked = replace(request_for, backend="tensorrt", targets=None, level=level, overwrite=True)
        made = make_engine(asked, EngineCache(own_cache))
        assert made.card.device["driver"] == device.driver
        assert json.loads(sidecar_path(made.path).read_text())["device"]["name"] == device.name
        return made.cached

    assert [cached(), cached(), cached(level=3)] == [False, True, True]  # 3 is the default
    assert not cached(level=5)
    assert cached(replace(ADA, driver="13.2"))
    assert not cached(replace(ADA, driver="14.0"))
    assert not cached(replace(ADA, name="NVIDIA L4"))
