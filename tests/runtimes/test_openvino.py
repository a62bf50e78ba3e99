"""OpenVINO beyond what every runtime does: all precisions, camera graphs, and a sentence for what it does not take."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import GraphError, MissingExtraError, RequestError
from invisp_deploy.export.write import export_onnx
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.runtimes.golden import natural_input, psnr
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.open import open_runtime
from invisp_deploy.runtimes.openvino_ import OPENVINO, OpenVinoRuntime
from tests.graphs import CANON_30D, gentle_network
from tests.quantisation import arithmetic_of

CONFIG = NetworkConfig(blocks=2, growth=8, squeeze=2)


@pytest.mark.parametrize(("precision", "least"), [("fp32", 110), ("fp16", 70), ("int8", 40), ("fp8", 35)])
def test_every_precision_agrees_with_onnxruntime(tmp_path: Path, precision: str, least: float) -> None:
    network = gentle_network(CONFIG)
    raw = natural_input((1, 3, 32, 48), 1)
    arithmetic = arithmetic_of(network, torch.from_numpy(raw), precision)
    export_onnx(Checkpoint(network, CANON_30D), tmp_path / "out", arithmetic=arithmetic)
    path = tmp_path / "out" / "forward.onnx"
    with open_runtime(path, OPENVINO, threads=1) as tried, OnnxRuntime(path, threads=1) as reference:
        assert tried.name.startswith("OpenVINO ")
        assert tried.card == reference.card
        assert psnr(tried.apply(raw), reference.apply(raw)) > least


def test_results_stay_what_they_were(tmp_path: Path) -> None:
    """The request reuses its memory; what a caller holds must not change with the next tile."""
    export_onnx(Checkpoint(gentle_network(CONFIG), CANON_30D), tmp_path / "out")
    with OpenVinoRuntime(tmp_path / "out" / "forward.onnx", threads=1) as runtime:
        first = runtime.apply(natural_input((1, 3, 16, 16), 1))
        kept = first.copy()
        runtime.apply(natural_input((1, 3, 16, 16), 2))
        runtime.apply(natural_input((1, 3, 24, 32), 3))
        assert np.array_equal(first, kept)


def test_other_files_and_a_missing_package_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="There is no engine"):
        OpenVinoRuntime(tmp_path / "none.onnx")
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(b"not a graph")
    with pytest.raises(GraphError, match="is not an ONNX graph that OpenVINO reads"):
        OpenVinoRuntime(foreign)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"invisp-deploy\[openvino\]"):
        OpenVinoRuntime(foreign)
