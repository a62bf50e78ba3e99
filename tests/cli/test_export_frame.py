"""`invisp export frame` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from invisp_deploy.cli.main import export
from tests.cli.refusal import refused_at_once as refused


def export_frame(*arguments: object) -> Result:
    return CliRunner().invoke(export, ["frame", *map(str, arguments)])


def test_two_files_are_written_and_named(small_dng: Path, tmp_path: Path) -> None:
    out = tmp_path / "camera"
    result = export_frame(small_dng, "-o", out, "--quality", "80")
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first == f"wrote {out / 'frame.raw'} (131.1 kB), 256x256 words of 16 bits"
    assert second.endswith("Canon EOS 30D, JPEGs of quality 80, 4:2:2")
    assert json.loads((out / "frame.json").read_text())["record"]["quality"] == 80


def test_json_is_one_object(small_dng: Path, tmp_path: Path) -> None:
    data = json.loads(export_frame(small_dng, "-o", tmp_path / "camera", "--json").stdout)
    assert (data["height"], data["width"]) == (256, 256)
    assert Path(data["words"]).stat().st_size == 2 * 256 * 256


def test_what_cannot_be_is_refused(small_dng: Path, tmp_path: Path) -> None:
    refused(export_frame(tmp_path / "none.dng", "-o", tmp_path / "a"), 2, "none.dng")
    export_frame(small_dng, "-o", tmp_path / "a")
    refused(export_frame(small_dng, "-o", tmp_path / "a"), 2, "exists already", "--overwrite")
