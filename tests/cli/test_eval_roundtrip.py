"""invisp eval as people call it: the report, its lines, and every bad request."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.evaluation.metrics import DEFINITIONS
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from tests.cli.refusal import refused_at_once as refused
from tests.graphs import CANON_30D, Graphs, write_graphs


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CANON_30D)


def roundtrip(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["eval", "roundtrip", *map(str, arguments)])


def both(graphs: Graphs) -> tuple[object, ...]:
    return "--model", graphs.forward.parent


def test_figures_are_printed_with_their_definitions(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    result = roundtrip(small_dng, "-o", out, *both(graphs))
    assert result.exit_code == 0, result.output
    *figures, last = result.stdout.splitlines()
    assert last == f"wrote small.jpg, small.dng, roundtrip.png, report.md in {out}"
    metrics = json.loads((out / "report.json").read_text())["metrics"]
    assert set(metrics) == set(DEFINITIONS)
    for line in figures:
        found = re.fullmatch(r"(\S+) +([\d.]+|–) dB  (.*)", line)
        assert found is not None, line
        shown = None if found[2] == "–" else float(found[2])
        assert shown == pytest.approx(metrics[found[1]], abs=0.005)
        assert f"dB, {found[3]}" == DEFINITIONS[found[1]]
    assert len(figures) == len(DEFINITIONS)
    assert result.stderr == ""


def test_json_is_one_object(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    options = ("--quality", 70, "--subsampling", "4:2:0", "--memory", 16, "--json")
    result = roundtrip(small_dng, "-o", tmp_path, *both(graphs), *options)
    data = json.loads(result.stdout)
    facts = json.loads((tmp_path / "report.json").read_text())
    assert data["metrics"] == facts["metrics"]
    assert (facts["quality"], facts["subsampling"]) == (70, "4:2:0")
    assert all(Path(data[name]).is_file() for name in ("jpeg", "dng", "picture", "report"))


def test_an_existing_report_is_refused_before_any_work(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")
    refused(roundtrip(small_dng, "-o", tmp_path, *both(graphs)), 2, "report.md exists already", "--overwrite")
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
    assert roundtrip(small_dng, "-o", tmp_path, *both(graphs), "--overwrite").exit_code == 0
    assert (tmp_path / "report.md").read_text().startswith("# Round trip of small.dng")


def test_graphs_that_do_not_belong_together(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    other = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CANON_30D, seed=3)
    out = tmp_path / "report"
    shutil.copy(graphs.forward, other.forward)
    refused(roundtrip(small_dng, "-o", out, "--model", tmp_path), 1, "has the weights", "take one export whole")
    lone = shutil.copy(graphs.forward, tmp_path / "mine.onnx")
    refused(roundtrip(small_dng, "-o", out, "--model", lone), 2, "has no inverse graph", "folder of an export")
    refused(roundtrip(small_dng, "-o", out, "--model", tmp_path / "no.onnx"), 2, "no model", "no.onnx")
    assert not out.exists(), "a refused request leaves no folder"


def test_bad_raw_files(graphs: Graphs, sample_raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    (tmp_path / "text.CR2").write_text("hello")
    (tmp_path / "cut.CR2").write_bytes(sample_raw.read_bytes()[:2_000_000])
    refused(roundtrip(tmp_path / "absent.CR2", "-o", out, *both(graphs)), 2, "no file", "absent.CR2")
    refused(roundtrip(tmp_path / "text.CR2", "-o", out, *both(graphs)), 1, "text.CR2 is not a RAW file")
    refused(roundtrip(tmp_path / "cut.CR2", "-o", out, *both(graphs)), 1, "cut.CR2 is cut short")
    assert not out.exists()


def test_another_camera_needs_force(graphs: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "other.dng", replace(small_frame, make="Maker", model="Other 1"))
    arguments = (tmp_path / "other.dng", "-o", tmp_path / "report", *both(graphs))
    refused(roundtrip(*arguments), 1, "Maker Other 1", "Canon EOS 30D", "--force")
    assert roundtrip(*arguments, "--force").exit_code == 0
    assert json.loads((tmp_path / "report" / "report.json").read_text())["camera"] == "Maker Other 1"


def test_bad_outputs(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused(roundtrip(small_dng, "-o", tmp_path / "file", *both(graphs)), 2, "file is a file")
    refused(roundtrip(small_dng, "-o", tmp_path / "no" / "report", *both(graphs)), 2, "does not exist")
    refused(roundtrip(small_dng, "-o", "/proc/invisp", *both(graphs)), 1, "/proc/invisp could not be written")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value"), [("--quality", 0), ("--quality", 101), ("--memory", 15), ("--subsampling", "4:1:1")]
)
def test_values_out_of_range_name_the_option(
    option: str, value: object, graphs: Graphs, small_dng: Path, tmp_path: Path
) -> None:
    refused(roundtrip(small_dng, "-o", tmp_path / "report", *both(graphs), option, value), 2, option)
