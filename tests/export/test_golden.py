"""The golden arrays: reproducible bytes that numpy reads and a device can compare with."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.export.golden import golden_arrays
from invisp_deploy.export.write import export_onnx
from invisp_deploy.graph_card import CAMERA_LEVELS, Direction
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import npz_bytes
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import TOLERANCES
from tests.export.conftest import graph_of


def test_arrays_are_what_the_graphs_compute(squeezed: InvISP) -> None:
    arrays = golden_arrays(squeezed)
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == dict.fromkeys(
        ("raw", "srgb", "raw_back"), ((1, 3, 64, 64), "float32")
    )
    for direction, source, target in ((Direction.FORWARD, "raw", "srgb"), (Direction.INVERSE, "srgb", "raw_back")):
        session = onnxruntime.InferenceSession(graph_of(squeezed, direction).SerializeToString())
        (made,) = session.run(None, {direction.input_name: arrays[source]})
        assert np.abs(made - arrays[target]).max() < TOLERANCES["onnxruntime-parity"].limit * 3
    assert np.abs(arrays["raw"] - arrays["srgb"]).max() > 0.05


def test_edges_fit_the_squeeze() -> None:
    assert golden_arrays(InvISP(NetworkConfig(1, 1, 3)).eval())["raw"].shape == (1, 3, 66, 66)


def test_camera_arrays_are_what_camera_graphs_compute(squeezed: InvISP, tmp_path: Path) -> None:
    made = export_onnx(Checkpoint(squeezed, CameraContract(gamma=2.0)), tmp_path / "out", interface="camera")
    assert made["interface"] == "camera"
    with np.load(tmp_path / "out" / "golden.npz") as loaded:
        arrays = dict(loaded)
    levels = {name: arrays.pop(name) for name, _, _ in CAMERA_LEVELS}
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == {
        "mosaic": ((1, 1, 64, 64), "uint16"),
        "rgb": ((1, 3, 64, 64), "uint8"),
        "mosaic_back": ((1, 1, 64, 64), "uint16"),
    }
    for name, source, target, limit in (("forward", "mosaic", "rgb", 1), ("inverse", "rgb", "mosaic_back", 1)):
        with OnnxRuntime(tmp_path / "out" / f"{name}.onnx") as graph:
            output = graph.apply(arrays[source], levels)
        assert np.abs(output.astype(int) - arrays[target]).max() <= limit
        assert arrays[target].std() > 20


def test_bytes_do_not_tell_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"one": np.arange(6, dtype=np.float32).reshape(2, 3), "two": np.zeros((0, 4), np.float32)}
    first = npz_bytes(arrays)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((2033, 5, 18, 0, 0, 0, 2, 138, 0)))
    assert npz_bytes(arrays) == first
    with np.load(io.BytesIO(first), allow_pickle=False) as loaded:
        assert loaded.files == ["one", "two"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)
