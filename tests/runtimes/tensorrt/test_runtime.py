"""The TensorRT runtime's own logic on the simulated TensorRT and CUDA; nothing here has seen a GPU."""

from __future__ import annotations

import shlex
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invisp_deploy.cli.export_engine import engine_command
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import EngineError, MissingPackageError, OutOfMemoryError, RequestError
from invisp_deploy.files import sha256_file
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import to_bytes
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.engine_card import BACKENDS, Profile, sidecar_path
from invisp_deploy.runtimes.tensorrt.runtime import TensorRTRuntime, rebuild_command
from tests.graphs import Graphs, write_graphs
from tests.simulated_cuda import Status
from tests.simulated_tensorrt import DEVICE, DataType, SimulatedTensorRT, simulate, square, write_engine

NUMBERS = Recipe("RGGB", (127.0, 128.0, 129.0, 130.0), 4095.0, (0.9, 0.5, 0.75), 2.2).numbers()
RANGE = Profile((16, 16), (64, 64), (96, 128))


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 4, 2), CameraContract())


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> SimulatedTensorRT:
    return simulate(monkeypatch)


@pytest.fixture
def fixed(graphs: Graphs, tmp_path: Path) -> Path:
    write_engine(tmp_path / "forward.trt", graphs.forward, square(64))
    return tmp_path / "forward.trt"


@pytest.fixture
def ranged(graphs: Graphs, tmp_path: Path) -> Path:
    write_engine(tmp_path / "ranged.trt", graphs.forward, RANGE)
    return tmp_path / "ranged.trt"


def picture(height: int, width: int, seed: int = 0) -> Array:
    """A mosaic."""
    return np.random.default_rng(seed).integers(100, 4096, (height, width)).astype(np.uint16)


def feeds(height: int, width: int) -> dict[str, Array]:
    return {"mosaic": to_bytes(picture(height, width)), **NUMBERS}


def test_a_fixed_engine_runs_as_a_cuda_graph(trt: SimulatedTensorRT, graphs: Graphs, fixed: Path) -> None:
    reference = OnnxRuntime(graphs.forward, threads=1)
    inputs = [picture(64, 64, seed) for seed in range(3)]
    with TensorRTRuntime(fixed) as engine:
        assert engine.name == "TensorRT 10.3.0 Simulated GPU"
        assert engine.card == reference.card
        assert engine.engine is not None
        outputs = [engine.apply(x, NUMBERS) for x in inputs]
    for x, y in zip(inputs, outputs, strict=True):
        np.testing.assert_array_equal(y, reference.apply(x, NUMBERS))
    assert trt.cuda.launches == 3
    assert len(trt.contexts) == 1


def test_a_profile_runs_every_size_in_growing_buffers(trt: SimulatedTensorRT, graphs: Graphs, ranged: Path) -> None:
    reference = OnnxRuntime(graphs.forward, threads=1)
    sizes = [(32, 32), (96, 128), (16, 16), (96, 128), (50, 70)]
    with TensorRTRuntime(ranged) as engine:
        for height, width in sizes:
            x = picture(height, width)
            np.testing.assert_array_equal(engine.apply(x, NUMBERS), reference.apply(x, NUMBERS))
    assert trt.cuda.launches == 0, "its shapes are not fixed"
    assert trt.cuda.allocations == 5 + 4, (
        "mosaic, numbers, picture and mean once, mosaic and picture again at (96, 128)"
    )


def test_the_inverse_and_the_other_backend(monkeypatch: pytest.MonkeyPatch, graphs: Graphs, tmp_path: Path) -> None:
    simulate(monkeypatch, "tensorrt-rtx")
    write_engine(tmp_path / "inverse.plan", graphs.inverse, square(32), backend="tensorrt-rtx")
    with TensorRTRuntime(tmp_path / "inverse.plan") as engine:
        assert engine.name.startswith("TensorRT for RTX 10.3.0")
        x = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
        np.testing.assert_array_equal(
            engine.apply(x, NUMBERS), OnnxRuntime(graphs.inverse, threads=1).apply(x, NUMBERS)
        )


def test_sizes_outside_are_named_with_the_remedy(trt: SimulatedTensorRT, fixed: Path, ranged: Path) -> None:
    with (
        TensorRTRuntime(fixed) as engine,
        pytest.raises(EngineError, match=r"\(1, 64, 64, 2\), got .*66.*profile"),
    ):
        engine.apply(picture(64, 66), NUMBERS)
    with TensorRTRuntime(ranged) as engine:
        for size in ((14, 64), (98, 64), (64, 130)):
            with pytest.raises(EngineError, match=r"\(1, 16 to 96, 16 to 128, 2\), got uint8 .*tile or profile"):
                engine.apply(picture(*size), NUMBERS)


@pytest.mark.parametrize("kind", ["fixed", "ranged"])
def test_two_threads_compute_at_once_and_do_not_meet(
    trt: SimulatedTensorRT, graphs: Graphs, kind: str, request: pytest.FixtureRequest
) -> None:
    reference = OnnxRuntime(graphs.forward, threads=1)
    engine = TensorRTRuntime(request.getfixturevalue(kind))
    inputs = [[picture(64, 64, 10 * thread + run) for run in range(4)] for thread in range(2)]
    outputs: list[list[Array]] = [[], []]
    engine.apply(inputs[0][0], NUMBERS)
    with engine._pool.context(), engine._pool.context():  # both exist before the barrier counts runs
        pass
    trt.meet = threading.Barrier(2)

    def work(thread: int) -> None:
        outputs[thread].extend(engine.apply(x, NUMBERS) for x in inputs[thread])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    trt.meet = None
    for mine, theirs in zip(inputs, outputs, strict=True):
        assert len(theirs) == 4
        for x, y in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(y, reference.apply(x, NUMBERS))
    assert len(trt.contexts) == 2
    engine.close()
    assert trt.cuda.live == 0


def test_a_refused_capture_shows_in_the_name(trt: SimulatedTensorRT, graphs: Graphs, fixed: Path) -> None:
    trt.capturable = False
    x = picture(64, 64)
    with TensorRTRuntime(fixed) as engine:
        assert (
            "(no CUDA graph: The engine did not run: operation not permitted when stream is capturing)" in engine.name
        )
        np.testing.assert_array_equal(
            engine.apply(x, NUMBERS), OnnxRuntime(graphs.forward, threads=1).apply(x, NUMBERS)
        )
    assert trt.cuda.launches == 0
    assert trt.cuda.live == 0


def test_times_of_the_parts(trt: SimulatedTensorRT, fixed: Path, ranged: Path) -> None:
    for path in (fixed, ranged):
        with TensorRTRuntime(path) as engine:
            result, times = engine.timed(feeds(64, 64))
            np.testing.assert_array_equal(result["rgb"][0], engine.apply(picture(64, 64), NUMBERS))
        assert times == pytest.approx((0.005, 0.005, 0.004)), "what the simulated clock counts for each"


def test_close_gives_everything_back(trt: SimulatedTensorRT, ranged: Path) -> None:
    before = trt.cuda.room
    engine = TensorRTRuntime(ranged)
    engine.timed(feeds(64, 64))
    assert trt.cuda.live > 0
    with engine._pool.context():
        engine.close()
        assert trt.cuda.live > 0, "a thread still holds a context"
    assert trt.cuda.live == 0
    trt.contexts.clear()
    assert trt.cuda.room == before
    with pytest.raises(EngineError, match="was closed"):
        engine.apply(picture(64, 64), NUMBERS)
    engine.close()


def test_a_context_that_failed_is_not_used_again(trt: SimulatedTensorRT, graphs: Graphs, ranged: Path) -> None:
    x = picture(64, 64)
    with TensorRTRuntime(ranged) as engine:
        engine.apply(x, NUMBERS)
        trt.failing_runs = 1
        with pytest.raises(EngineError, match="did not run: a kernel failed"):
            engine.apply(x, NUMBERS)
        np.testing.assert_array_equal(
            engine.apply(x, NUMBERS), OnnxRuntime(graphs.forward, threads=1).apply(x, NUMBERS)
        )
    assert len(trt.contexts) == 2
    assert trt.cuda.live == 0


def test_out_of_memory_names_the_next_smaller_tile(
    monkeypatch: pytest.MonkeyPatch, graphs: Graphs, tmp_path: Path
) -> None:
    path = tmp_path / "forward.trt"
    for edge, room, remedy in (
        (1024, 999, "a tile of 768"),  # no execution context
        (1024, 5000, "a tile of 768"),  # no buffers
        (192, 999, "a tile of 128"),
        (100, 999, "close other programs; no smaller tile has room for the halo of 42"),
    ):
        trt = simulate(monkeypatch, room=room)
        write_engine(path, graphs.forward, square(edge))
        with pytest.raises(OutOfMemoryError, match=f"ran out of memory for a tile of {edge}x{edge} .*{remedy}"):
            TensorRTRuntime(path)
        assert trt.cuda.live == 0


def test_out_of_memory_in_the_middle(trt: SimulatedTensorRT, graphs: Graphs, ranged: Path) -> None:
    with TensorRTRuntime(ranged) as engine:
        engine.apply(picture(16, 16), NUMBERS)
        trt.cuda.room = 4000
        with pytest.raises(OutOfMemoryError, match="out of memory for a tile of 96x128"):
            engine.apply(picture(96, 128), NUMBERS)
        trt.cuda.room = 1 << 30
        x = picture(96, 128)
        np.testing.assert_array_equal(
            engine.apply(x, NUMBERS), OnnxRuntime(graphs.forward, threads=1).apply(x, NUMBERS)
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine": "0" * 64}, "not the engine that its sidecar describes"),
        (
            {"backend_version": "10.16.1"},
            "built by TensorRT 10.16.1, here runs 10.3.0.*`invisp-export engine forward.onnx -o .*forward.trt "
            "--backend tensorrt --tile 64x64`",
        ),
        ({"targets": ("sm87", "sm89")}, r"built for sm87, sm89, this GPU is sm86 \(Simulated GPU\)"),
        ({"profile": RANGE}, "its sidecar promises 16x16 to 96x128.*--profile 16x16 64x64 96x128"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_refused(
    trt: SimulatedTensorRT, graphs: Graphs, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = tmp_path / "forward.trt"
    card = write_engine(path, graphs.forward, square(64))
    sidecar_path(path).write_text(replace(card, **changes).to_json())
    with pytest.raises(EngineError, match=words):
        TensorRTRuntime(path)
    assert trt.runtimes == (1 if "profile" in changes else 0), "what the sidecar tells is told before TensorRT starts"
    assert trt.cuda.live == 0


def test_another_gpu_is_added_to_the_targets_of_rtx(
    monkeypatch: pytest.MonkeyPatch, graphs: Graphs, tmp_path: Path
) -> None:
    trt = simulate(monkeypatch, "tensorrt-rtx")
    trt.device = replace(DEVICE, capability="sm120")
    write_engine(tmp_path / "f.trt", graphs.forward, square(64), backend="tensorrt-rtx", targets=("sm86", "sm89"))
    with pytest.raises(EngineError, match="--backend tensorrt-rtx --tile 64x64 --target sm86,sm89,sm120"):
        TensorRTRuntime(tmp_path / "f.trt")


def test_without_a_device_nothing_of_tensorrt_is_called(trt: SimulatedTensorRT, fixed: Path) -> None:
    trt.device = None
    with pytest.raises(EngineError, match="TensorRT needs an NVIDIA GPU and this machine shows none"):
        TensorRTRuntime(fixed)
    assert trt.runtimes == 0


def test_without_tensorrt_there_is_one_sentence(fixed: Path) -> None:
    with pytest.raises(MissingPackageError, match="package tensorrt is not installed: "):
        TensorRTRuntime(fixed)


def test_files_that_are_missing_or_foreign(trt: SimulatedTensorRT, graphs: Graphs, fixed: Path) -> None:
    with pytest.raises(RequestError, match="no engine"):
        TensorRTRuntime(fixed.with_name("absent.trt"))
    card = write_engine(fixed, graphs.forward, square(64))
    fixed.write_bytes(b"foreign")
    with pytest.raises(EngineError, match="the digests differ"):
        TensorRTRuntime(fixed)
    sidecar_path(fixed).write_text(replace(card, engine=sha256_file(fixed)).to_json())
    with pytest.raises(EngineError, match=r"could not be deserialised; `invisp-export.*magicTag"):
        TensorRTRuntime(fixed)
    sidecar_path(fixed).unlink()
    with pytest.raises(EngineError, match=r"no readable sidecar forward\.trt\.json"):
        TensorRTRuntime(fixed)


def test_dtypes_and_names_are_read_from_the_engine(trt: SimulatedTensorRT, graphs: Graphs, fixed: Path) -> None:
    trt.dtype = DataType.HALF
    with pytest.raises(EngineError, match="`mosaic` float16.*promises `mosaic` uint8"):
        TensorRTRuntime(fixed)
    trt.dtype = None
    plan = fixed.read_text().replace("forward.onnx", "inverse.onnx")
    card = write_engine(fixed, graphs.forward, square(64))
    fixed.write_text(plan)
    sidecar_path(fixed).write_text(replace(card, engine=sha256_file(fixed)).to_json())
    with pytest.raises(EngineError, match="`rgb` uint8.*promises `mosaic` uint8"):
        TensorRTRuntime(fixed)


def test_cuda_that_does_not_fit_the_driver(trt: SimulatedTensorRT, fixed: Path) -> None:
    trt.cuda.answer = Status.cudaErrorInsufficientDriver
    with pytest.raises(EngineError, match=r"later CUDA than 12\.6, the driver's: `pip install 'cuda-python==12\.\*'`"):
        TensorRTRuntime(fixed)
    trt.cuda.answer = Status.cudaErrorInvalidValue
    with pytest.raises(EngineError, match="Simulated GPU reports cudaErrorInvalidValue"):
        TensorRTRuntime(fixed)


def test_without_cuda_python_there_is_one_sentence(
    trt: SimulatedTensorRT, fixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cuda", "cuda.bindings", "cuda.bindings.runtime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=r"need the Python package cuda-python.*'cuda-python==12\.\*'"):
        TensorRTRuntime(fixed)
    assert trt.runtimes == 0


@pytest.mark.parametrize("profile", [square(512), Profile((384, 768), (384, 768), (384, 768)), RANGE], ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_rebuild_command_is_one_that_exists(graphs: Graphs, tmp_path: Path, profile: Profile, backend: str) -> None:
    path = tmp_path / "forward.trt"
    command = rebuild_command(path, write_engine(path, graphs.forward, profile, backend=backend))
    words = shlex.split(command.strip("`"))
    assert words[:2] == ["invisp-export", "engine"]
    options = engine_command.make_context("engine", words[2:]).params
    sizes = options["tile"] or options["sizes"]
    assert sizes == ("{}x{}".format(*profile.largest) if profile.fixed else ("16x16", "64x64", "96x128"))
    assert (options["backend"], options["output"]) == (backend, path)
