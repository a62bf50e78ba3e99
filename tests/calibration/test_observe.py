"""What is heard of a network, against hooks written anew, and against ONNX Runtime's calibrator on the graphs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator
from PIL import Image
from torch.nn.functional import leaky_relu

from invisp_deploy.arithmetic import quantised_tensors
from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.calibration.observe import Observer
from invisp_deploy.config import NetworkConfig
from tests.calibration.cutting import calibration_tiles
from tests.graphs import CANON_30D, Graphs, write_graphs

CONFIG = NetworkConfig(2, 4, 2)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), CONFIG, CANON_30D, form="tensor")


@pytest.fixture(scope="module")
def raws(small_dng: Path) -> list[torch.Tensor]:
    return [torch.from_numpy(t.raw) for t in calibration_tiles([small_dng], CANON_30D, size=64, per_file=3)]


@pytest.fixture(scope="module")
def seen(graphs: Graphs, raws: list[torch.Tensor]) -> tuple[Observer, list[torch.Tensor]]:
    observer = Observer(graphs.checkpoint.network, JpegCodec())
    return observer, [observer.see(raw) for raw in raws]


class Given(CalibrationDataReader):
    def __init__(self, name: str, arrays: list[np.ndarray]) -> None:
        self.feeds = iter([{name: array} for array in arrays])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def test_every_quantised_tensor_is_heard_in_both_directions(seen: tuple[Observer, list[torch.Tensor]]) -> None:
    histograms = seen[0].histograms
    assert list(histograms) == quantised_tensors(CONFIG)
    for name, histogram in histograms.items():
        assert set(histogram.maxima) == {"forward", "inverse"}
        channels = CONFIG.growth if ".relu" in name else 6
        assert histogram.counts.sum() == 2 * 3 * 32 * 32 * channels, name


def test_values_are_those_that_hooks_on_the_outputs_see(
    graphs: Graphs, raws: list[torch.Tensor], seen: tuple[Observer, list[torch.Tensor]]
) -> None:
    """Outputs of the inner convolutions after the activation, inputs of whole dense blocks."""
    network, heard = graphs.checkpoint.network, {name: [] for name in quantised_tensors(CONFIG)}
    handles = []
    for index, block in enumerate(network.blocks()):
        for part in "FGH":
            dense = getattr(block, part)
            source = f"block{index}." + ("x2" if part == "F" else "y1")
            handles.append(dense.register_forward_pre_hook(lambda m, x, n=source: heard[n].append(x[0].numpy())))
            for k in (1, 2, 3, 4):
                hook = lambda m, x, y, n=f"block{index}.{part}.relu{k}": heard[n].append(leaky_relu(y, 0.2).numpy())  # noqa: E731
                handles.append(getattr(dense, f"conv{k}").register_forward_hook(hook))
    with torch.no_grad():
        for raw, decoded in zip(raws, seen[1], strict=True):
            network(raw)
            network.inverse(decoded)
    for handle in handles:
        handle.remove()
    for name, arrays in heard.items():
        histogram = seen[0].histograms[name]
        magnitudes = np.abs(np.concatenate([array.ravel() for array in arrays]))
        if name.endswith("y1"):
            magnitudes = np.abs(np.concatenate([array.ravel() for array in arrays[::2]]))  # G and H both
        assert histogram.maximum == pytest.approx(magnitudes.max(), rel=1e-5), name
        expected = np.histogram(magnitudes, len(histogram.counts), (0, histogram.top))[0]
        assert np.abs(np.cumsum(histogram.counts) - np.cumsum(expected)).max() <= 1e-3 * magnitudes.size, name


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_maxima_are_those_of_onnxruntimes_calibrator(
    direction: str, graphs: Graphs, raws: list[torch.Tensor], seen: tuple[Observer, list[torch.Tensor]], tmp_path: Path
) -> None:
    path, name = (graphs.forward, "raw") if direction == "forward" else (graphs.inverse, "srgb")
    arrays = [x.numpy() for x in (raws if direction == "forward" else seen[1])]
    calibrator = create_calibrator(path, ["LeakyRelu"], str(tmp_path / "a.onnx"), CalibrationMethod.MinMax)
    calibrator.collect_data(Given(name, arrays))
    theirs = {
        key: max(float(np.abs(value).max()) for value in data.range_value)
        for key, data in calibrator.compute_data().items()
    }
    ours = {key: h.maxima[direction] for key, h in seen[0].histograms.items() if ".relu" in key}
    assert set(ours) <= set(theirs)
    for key, value in ours.items():
        assert value == pytest.approx(theirs[key], rel=1e-4), key


def test_the_codec_is_a_jpeg_file_of_that_quality(raws: list[torch.Tensor]) -> None:
    batch = torch.cat([raws[0], raws[1] * 3 - 1])
    for quality, subsampling in ((90, "4:2:2"), (40, "4:2:0")):
        found = JpegCodec(quality, subsampling)(batch)
        for one, picture in zip(found, batch, strict=True):
            pixels = np.rint(np.clip(picture.numpy(), 0, 1).transpose(1, 2, 0) * np.float32(255)).astype(np.uint8)
            stream = io.BytesIO()
            factor = {"4:2:2": 1, "4:2:0": 2}[subsampling]  # Pillow's older spelling
            Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=factor)
            expected = np.asarray(Image.open(stream), np.float32).transpose(2, 0, 1) / 255
            np.testing.assert_allclose(one.numpy(), expected, atol=1e-7)
