"""Camera graphs: the camera's arithmetic inside, all Bayer phases by one graph, and bytes for TensorRT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from scipy.ndimage import convolve

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import GraphError, ParityError, RequestError
from invisp_deploy.export import camera_parity
from invisp_deploy.export.camera_parity import check_camera
from invisp_deploy.export.graph import build_graph, check_graph
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.export.write import export_onnx
from invisp_deploy.graph_card import CAMERA_LEVELS, Direction, GraphCard
from invisp_deploy.isp.levels import Levels, network_input, recovered_mosaic
from invisp_deploy.network.checkpoint import Checkpoint, weights_hash
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import natural_input
from tests.export.conftest import CONTRACT
from tests.quantisation import arithmetic_of

BLACK, WHITE = (120.0, 128.0, 131.0, 140.0), 4000.0
CAMERA = pytest.mark.parametrize("interface", ["camera", "camera-bytes"])
FEEDS = {name: (kind, size) for name, kind, size in CAMERA_LEVELS}


def identity(squeeze: int = 1) -> InvISP:
    """An untrained network, which changes nothing: what is left is the camera."""
    return InvISP(NetworkConfig(blocks=1, growth=2, squeeze=squeeze)).eval()


def graph(network: InvISP, direction: Direction, interface: str = "camera") -> onnx.ModelProto:
    view = (ForwardView if direction is Direction.FORWARD else InverseView)(network)
    config = network.config
    return build_graph(
        view, GraphCard(direction, config, CONTRACT, weights_hash(network), config.halo, interface=interface)
    )


def run(model: onnx.ModelProto, feeds: dict[str, Any]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (made,) = session.run(None, feeds)
    return np.asarray(made)


def levels(cfa: str) -> Levels:
    return Levels(cfa, BLACK, WHITE, (1.0, 0.5, 0.8), 2.2)


def mosaic(height: int = 32, width: int = 44) -> np.ndarray:
    """DN from below black to above white."""
    return np.rint(100 + natural_input((1, 3, height, width), 5)[0, 1] * 4000).astype(np.uint16)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_levels_and_demosaicing_are_what_scipy_makes_of_them(cfa: str) -> None:
    """Independent of our numpy steps: masks and the textbook kernels, mirrored borders."""
    raw = mosaic()
    made = run(graph(identity(), Direction.FORWARD), {"mosaic": raw[None, None], **levels(cfa).tensors()})
    rows, columns = np.indices(raw.shape)
    site = rows % 2 * 2 + columns % 2
    gain = dict(zip("RGB", (1.0, 0.5, 0.8), strict=True))
    black = np.array(BLACK)[site]
    linear = np.clip((raw - black) / (WHITE - black), 0, 1) * np.array([gain[colour] for colour in cfa])[site]
    planes = []
    for colour in "RGB":
        there = np.array([mine == colour for mine in cfa])[site]
        kernel = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]] if colour == "G" else [[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
        planes.append(convolve(linear * there, kernel, mode="mirror") ** (1 / 2.2))
    expected = np.rint(np.stack(planes, -1) * 255)
    assert made.dtype == np.uint8
    assert made.shape == (1, *raw.shape, 3)
    assert np.abs(made[0] - expected).max() <= 1
    assert (made[0] != expected).mean() < 1e-3


@CAMERA
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_every_phase_goes_through_one_graph_and_comes_back(cfa: str, interface: str) -> None:
    """Without 8-bit steps nothing is lost but what they are: the mosaic returns within half a code of the picture."""
    raw, numbers = mosaic(), levels(cfa)
    given = raw[None, None] if interface == "camera" else raw.view(np.uint8).reshape(1, *raw.shape, 2)
    feeds = numbers.tensors()
    rgb = run(graph(identity(2), Direction.FORWARD, interface), {"mosaic": given, **feeds})
    made = run(graph(identity(2), Direction.INVERSE, interface), {"rgb": rgb, **feeds})
    back = made[0, 0] if interface == "camera" else np.ascontiguousarray(made).view(np.uint16)[0, :, :, 0]
    decoded = rgb[0].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    assert back.dtype == np.uint16
    assert np.array_equal(back, recovered_mosaic(decoded, numbers))
    assert np.abs(back.astype(int) - np.clip(raw, np.array(BLACK).reshape(2, 2).max(), WHITE)).max() < 50


@CAMERA
def test_inputs_outputs_and_bytes_per_pixel(interface: str) -> None:
    forward, inverse = (graph(identity(), direction, interface) for direction in Direction)
    kinds = {"camera": (onnx.TensorProto.UINT16, 1), "camera-bytes": (onnx.TensorProto.UINT8, 2)}
    kind, count = kinds[interface]
    for model, names in ((forward, ("mosaic", "rgb")), (inverse, ("rgb", "mosaic"))):
        assert [value.name for value in model.graph.input] == [names[0], *FEEDS]
        assert [value.name for value in model.graph.output] == [names[1]]
        types = {value.name: value.type.tensor_type for value in (*model.graph.input, *model.graph.output)}
        assert types["mosaic"].elem_type == kind
        assert types["rgb"].elem_type == onnx.TensorProto.UINT8
        assert types["mosaic"].shape.dim[-1].dim_value in (0, count)
    size = {onnx.TensorProto.UINT16: 2, onnx.TensorProto.UINT8: 1}
    assert size[kind] * count + 3 == 5  # bytes in and out for one pixel


def test_a_trained_like_network_passes_in_every_precision(
    tmp_path: Path, random_network: Callable[..., InvISP]
) -> None:
    network = random_network(NetworkConfig(blocks=2, growth=4, squeeze=2), spread=0.02)
    raw = torch.from_numpy(natural_input((1, 3, 32, 32), 0))
    for precision in ("fp32", "fp16", "int8"):
        report = export_onnx(
            Checkpoint(network, CONTRACT),
            tmp_path / precision,
            arithmetic=arithmetic_of(network, raw, precision),
            interface="camera",
        )
        assert [entry["cfa"] for entry in report["phases"]] == ["RGGB", "GRBG", "GBRG", "BGGR"]
        assert report["interface"] == "camera"
        assert "BGGR" in (tmp_path / precision / "report.md").read_text()


def test_a_wrong_kernel_fails_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(identity(2), CONTRACT)
    real = camera_parity.network_input
    monkeypatch.setattr(camera_parity, "network_input", lambda *given: real(*given) * np.float32(0.98))
    with pytest.raises(ParityError, match=r"differs from the separate steps by \d+ codes at RGGB"):
        export_onnx(checkpoint, tmp_path / "out", interface="camera")
    assert not (tmp_path / "out").exists()


@CAMERA
@pytest.mark.parametrize("border", ["reflect", "constant"])
def test_another_border_than_mirrored_is_refused(tmp_path: Path, border: str, interface: str) -> None:
    checkpoint = Checkpoint(identity(2), replace(CONTRACT, border=border))
    with pytest.raises(RequestError, match=f"has the border '{border}', camera graphs demosaic with mirrored"):
        export_onnx(checkpoint, tmp_path / "out", interface=interface)
    assert not (tmp_path / "out").exists()


def test_plain_graphs_hold_no_camera_operators() -> None:
    with pytest.raises(GraphError, match="Pad"):
        check_graph(graph(identity(), Direction.FORWARD))
    check_graph(graph(identity(), Direction.FORWARD), interface="camera")


def test_the_steps_agree_where_the_network_does_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(identity(2), CONTRACT)
    for interface in ("camera", "tensor"):
        export_onnx(checkpoint, tmp_path / interface, interface=interface)
    card = GraphCard(
        Direction.FORWARD, checkpoint.config, CONTRACT, checkpoint.weights, checkpoint.config.halo, interface="camera"
    )
    phases = check_camera(card, tmp_path / "camera", tmp_path / "tensor")
    assert max(phase.rgb_codes for phase in phases) <= 1
    assert network_input(mosaic(), levels("RGGB")).shape == (3, 32, 44)
