"""OpenVINO beyond what every runtime does: all precisions, mosaic graphs, and a sentence for what it does not take."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import GraphError, MissingExtraError, MissingFileError
from invisp_deploy.export.write import export_onnx
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.golden import mirrored, natural_pixels, natural_planes, natural_recipe, shares
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.open import open_runtime
from invisp_deploy.runtimes.openvino_ import OPENVINO, OpenVinoRuntime
from tests.graphs import CANON_30D, gentle_network, write_graphs
from tests.quantisation import arithmetic_of

CONFIG = NetworkConfig(blocks=2, growth=8, squeeze=2)


@pytest.mark.parametrize(("precision", "least"), [("fp32", 70), ("fp16", 60), ("int8", 40), ("fp8", 35)])
def test_every_precision_agrees_with_onnxruntime(tmp_path: Path, precision: str, least: float) -> None:
    network = gentle_network(CONFIG)
    raw = natural_planes((1, 3, 32, 48), 1)
    arithmetic = arithmetic_of(network, torch.from_numpy(raw), precision)
    export_onnx(Checkpoint(network, CANON_30D), tmp_path / "out", arithmetic=arithmetic)
    path = tmp_path / "out" / "forward.onnx"
    with open_runtime(path, OPENVINO, threads=1) as tried, OnnxRuntime(path, threads=1) as reference:
        assert tried.name.startswith("OpenVINO ")
        assert tried.card == reference.card
        given, numbers = mirrored(natural_pixels(tried.card), 32, 48), natural_recipe(tried.card).numbers()
        made, expected = (shares(one.apply(given, numbers), numbers) for one in (tried, reference))
        assert psnr(made, expected) > least


def test_results_stay_what_they_were(tmp_path: Path) -> None:
    """The request reuses its memory; what a caller holds must not change with the next tile."""
    export_onnx(Checkpoint(gentle_network(CONFIG), CANON_30D), tmp_path / "out")
    with OpenVinoRuntime(tmp_path / "out" / "forward.onnx", threads=1) as runtime:
        numbers = natural_recipe(runtime.card).numbers()
        first = runtime.apply(natural_pixels(runtime.card, 16, 1), numbers)
        kept = first.copy()
        runtime.apply(natural_pixels(runtime.card, 16, 2), numbers)
        runtime.apply(natural_pixels(runtime.card, 24, 3), numbers)
        assert np.array_equal(first, kept)


def test_tensors_of_other_shapes_than_the_metadata_promises_are_refused(tmp_path: Path) -> None:
    """Graphs of 8 and of 16 bits have the same names and types."""
    graphs = write_graphs(tmp_path, CONFIG, CANON_30D, bits=16)
    for path in (graphs.forward, graphs.inverse):
        model = onnx.load(path)
        entry = next(one for one in model.metadata_props if one.key == "invisp.bits")
        entry.value = "8"
        onnx.save(model, path)
        for runtime in (OpenVinoRuntime, OnnxRuntime):
            with pytest.raises(GraphError, match="does not have the tensors that its metadata promises"):
                runtime(path)


@pytest.mark.parametrize("runtime", [OpenVinoRuntime, OnnxRuntime])
def test_closing_twice_is_closing_once(tmp_path: Path, runtime: type[Runtime]) -> None:
    with runtime(write_graphs(tmp_path, CONFIG, CANON_30D).forward) as opened:
        opened.close()
    opened.close()


def test_other_files_and_a_missing_package_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingFileError, match="There is no engine"):
        OpenVinoRuntime(tmp_path / "none.onnx")
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(b"not a graph")
    with pytest.raises(GraphError, match="is not an ONNX graph that OpenVINO reads"):
        OpenVinoRuntime(foreign)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[openvino\]"):
        OpenVinoRuntime(foreign)
