"""`invisp export checkpoint` as people call it: the authors' weights become ours, with the contract they were given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import export
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.network.checkpoint import load_checkpoint
from tests.cli.refusal import refused_at_once as refused

CONTRACT = CameraContract(make="Canon", model="Canon EOS 5D", white=4095)


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(CONTRACT.to_dict()))
    return path


def convert(*arguments: object) -> Result:
    return CliRunner().invoke(export, ["checkpoint", *map(str, arguments)])


def test_the_weights_compute_what_the_authors_code_computed(
    golden_checkpoint: Path, golden_arrays: dict[str, np.ndarray], contract: Path, tmp_path: Path
) -> None:
    out = tmp_path / "canon.safetensors"
    result = convert(golden_checkpoint, "--contract", contract, "-o", out)
    assert result.exit_code == 0, result.output
    loaded = load_checkpoint(out)
    assert result.stdout.splitlines() == [
        f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB), 2 blocks, growth 32, squeeze 1, Canon EOS 5D, weights "
        f"{loaded.weights[:12]}",
        f"next: invisp-export onnx --checkpoint {out} -o {tmp_path / 'canon'}",
    ]
    assert (loaded.config, loaded.contract) == (NetworkConfig(blocks=2), CONTRACT)
    with torch.no_grad():
        rendered = loaded.network(torch.from_numpy(golden_arrays["raw"])).numpy()
    assert np.abs(rendered - golden_arrays["rgb"]).max() < 1e-5


def test_json_is_one_object(golden_checkpoint: Path, contract: Path, tmp_path: Path) -> None:
    data = json.loads(
        convert(golden_checkpoint, "--contract", contract, "-o", tmp_path / "a.safetensors", "--json").stdout
    )
    assert data["config"] == NetworkConfig(blocks=2).to_dict()
    assert data["contract"] == CONTRACT.to_dict()


def test_without_a_contract_it_says_what_one_is_and_shows_one(golden_checkpoint: Path, tmp_path: Path) -> None:
    result = convert(golden_checkpoint, "-o", tmp_path / "a.safetensors")
    refused(result, 2, "--contract is missing", "what the weights expect of a RAW file", "docs/contract.md")
    shown = json.loads(result.stderr[result.stderr.index("{") : result.stderr.index("}") + 1])
    assert CameraContract.from_dict(shown).camera == "Canon EOS 5D"
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be(golden_checkpoint: Path, contract: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "a.safetensors")
    refused(convert(tmp_path / "gone.pth", "--contract", contract, *out), 2, "no checkpoint", "gone.pth")
    refused(convert(golden_checkpoint, "--contract", contract, "-o", tmp_path / "a.pth"), 2, "name the output so")
    refused(convert(golden_checkpoint, "--contract", tmp_path / "no.json", *out), 2, "no camera contract")
    for text, said in (("{", "is not JSON"), ("[]", "a JSON object, got list"), ('{"make": "C"}', "has the fields")):
        contract.write_text(text)
        refused(convert(golden_checkpoint, "--contract", contract, *out), 2, said)
    contract.write_text(json.dumps(CONTRACT.to_dict()))
    (tmp_path / "a.safetensors").write_text("mine")
    refused(convert(golden_checkpoint, "--contract", contract, *out), 2, "exists already")
    assert (tmp_path / "a.safetensors").read_text() == "mine"
