"""`invisp export triton` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from invisp_deploy.cli.main import export
from tests.cli.refusal import refused_at_once as refused


def export_triton(*arguments: object) -> Result:
    return CliRunner().invoke(export, ["triton", *map(str, arguments)])


def test_every_model_is_named_with_what_serves_it(tmp_path: Path) -> None:
    out = tmp_path / "repository"
    result = export_triton("--model", "closed-form", "-o", out)
    assert result.exit_code == 0, result.output
    *lines, last = result.stdout.splitlines()
    assert [line.split(" ")[1] for line in lines] == [
        str(out / name / "config.pbtxt") for name in ("forward", "inverse", "forward16", "inverse16")
    ]
    assert all(line.endswith("for ONNX Runtime, any size, one frame at a time") for line in lines)
    assert last == f"next: tritonserver --model-repository={out}"
    refused(export_triton("--model", "closed-form", "-o", out), 2, "name a new folder")


def test_json_is_one_object(tmp_path: Path) -> None:
    data = json.loads(export_triton("-o", tmp_path / "a", "--json").stdout)
    assert data["models"]["inverse16"] == "ONNX Runtime"
