"""An export as a whole: its files, and that it leaves none where parity fails."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import ParityError, RequestError
from invisp_deploy.export.write import GRAPHS, export_onnx, files_of
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.invisp import InvISP
from tests.export.conftest import CONTRACT


def card_of(path: Path) -> GraphCard:
    return GraphCard.from_metadata({entry.key: entry.value for entry in onnx.load(path).metadata_props}, path.name)


def test_both_graphs_say_whose_they_are(tmp_path: Path, small: Checkpoint) -> None:
    for form, names in GRAPHS.items():
        export_onnx(replace(small, card={"camera": "Maker One"}), tmp_path / form, form=form)
        assert sorted(path.name for path in (tmp_path / form).iterdir()) == sorted(files_of(form))
        for name in names:
            card = card_of(tmp_path / form / name)
            assert (card.form, card.bits) == (form, 16 if "16" in name else 8)
            assert card.direction is (Direction.FORWARD if name.startswith("forward") else Direction.INVERSE)
            assert card.weights == small.weights
            assert card.learned_on == "Maker One"
            assert (card.config, card.contract) == (small.config, small.contract)
    assert card.versions["onnx"] == onnx.__version__
    assert card.versions["torch"] == torch.__version__


def test_the_report_describes_the_files(tmp_path: Path, small: Checkpoint) -> None:
    report = export_onnx(small, tmp_path / "out", opset=18)
    text = (tmp_path / "out" / "report.json").read_text()
    assert json.loads(text) == report
    assert report["opset"] == onnx.load(tmp_path / "out" / "forward.onnx").opset_import[0].version == 18
    for name, entry in report["files"].items():
        data = (tmp_path / "out" / name).read_bytes()
        assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert set(report["files"]) == set(files_of("mosaic")) - {"report.md", "report.json"}
    matrix = small.network.blocks()[0].invconv.matrix().detach().numpy()
    singular = np.linalg.svd(matrix, compute_uv=False)
    assert report["conditions"] == pytest.approx([singular[0] / singular[-1]])
    assert report["warnings"] == []
    assert report["worst"]["forward"] == max(entry["forward"] for entry in report["parity"])
    readable = (tmp_path / "out" / "report.md").read_text()
    assert small.weights in readable
    assert f"| Conv | {report['operators']['forward.onnx']['Conv']} |" in readable
    assert str(tmp_path) not in text + readable


def test_ill_conditioned_mixing_is_warned_of(tmp_path: Path) -> None:
    network = InvISP(NetworkConfig(blocks=1, growth=4)).eval()  # couplings that add nothing, not even an error
    network.blocks()[0].invconv.set_matrix(torch.diag(torch.tensor([1, 1, 1 / 2000], dtype=torch.float64)))
    report = export_onnx(Checkpoint(network, CONTRACT), tmp_path / "out")
    assert len(report["warnings"]) == 1
    assert "block 0 has the condition number 2.0e+03" in report["warnings"][0]
    assert report["warnings"][0] in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize("there", [True, False])
def test_failed_parity_leaves_no_file(tmp_path: Path, small: Checkpoint, there: bool) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
    small.network.blocks()[0].invconv.set_matrix(torch.diag(torch.tensor([1, 1, 1e-9], dtype=torch.float64)))
    with pytest.raises(ParityError):
        export_onnx(small, out)
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == ([Path("out")] if there else [])


def test_a_refused_opset_leaves_no_file(tmp_path: Path, small: Checkpoint) -> None:
    with pytest.raises(RequestError, match="opset"):
        export_onnx(small, tmp_path / "out", opset=16)
    assert list(tmp_path.iterdir()) == []
