"""Engines of camera graphs: NVIDIA's own parser and builder, and the golden check in codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.engines import make
from invisp_deploy.engines.make import EngineRequest, make_engine
from invisp_deploy.errors import ParityError, RequestError
from invisp_deploy.runtimes.base import Array, Feeds, Runtime
from invisp_deploy.runtimes.golden import read_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from invisp_deploy.runtimes.tensorrt.engine_card import golden_path
from tests.graphs import CANON_30D, Graphs, write_graphs

ADA = CudaDevice("NVIDIA RTX 4090", "sm89", "13.0", 24_000_000_000)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    folder = tmp_path_factory.mktemp("bytes")
    return write_graphs(folder, NetworkConfig(1, 4, 2), CANON_30D, interface="camera-bytes")


class Shifted(OnnxRuntime):
    """An engine whose output is some codes off."""

    codes = 0

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        return {name: array + np.uint8(self.codes) for name, array in super()._run(feeds).items()}


@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("sizes", [None, ("64", "64x96", "96x128")], ids=["fixed", "profile"])
def test_it_is_built_and_checked_by_its_codes(
    graphs: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: str, sizes: tuple[str, str, str] | None
) -> None:
    onnx = getattr(graphs, direction)
    tile = None if sizes else "64x96"
    request = EngineRequest(onnx, tmp_path / "e.trt", "tensorrt-rtx", tile, sizes, "sm89")
    opened: list[Runtime] = []

    def open_engine(path: Path) -> Runtime:
        opened.append(Shifted(onnx))
        return opened[-1]

    monkeypatch.setattr(make, "find_device", lambda: ADA)
    monkeypatch.setattr(make, "open_engine", open_engine)
    made = make_engine(request, None)
    assert made.card.verified is not None
    assert made.card.verified["psnr"] > made.card.verified["psnr_limit"] == 70
    assert made.card.graph.interface == "camera-bytes"
    golden = read_golden(golden_path(request.output))
    assert golden.crops.dtype == (np.uint8 if direction == "forward" else np.uint16)
    assert golden.crops.shape[1] == (3 if direction == "forward" else 1)
    assert golden.crops.std() > 20, "a picture and not a flat field"


def test_codes_that_are_off_are_not_written(graphs: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = EngineRequest(graphs.forward, tmp_path / "e.trt", "tensorrt-rtx", "64x96", None, "sm89")
    monkeypatch.setattr(make, "find_device", lambda: ADA)
    monkeypatch.setattr(make, "open_engine", lambda path: Shifted(graphs.forward))
    monkeypatch.setattr(Shifted, "codes", 1)
    with pytest.raises(ParityError, match="48.1 dB .* must reach 70 dB"):
        make_engine(request, None)
    assert not list(tmp_path.iterdir())


def test_a_mosaic_of_16_bit_numbers_is_refused_with_the_way_out(tmp_path: Path) -> None:
    graphs = write_graphs(tmp_path, NetworkConfig(1, 4, 2), CANON_30D, interface="camera")
    with pytest.raises(RequestError, match="16-bit numbers, a type that TensorRT does not have: .*--io camera-bytes"):
        make_engine(EngineRequest(graphs.forward, tmp_path / "e.trt", "tensorrt-rtx", "64", None, "sm89"), None)
    assert not (tmp_path / "e.trt").exists()
