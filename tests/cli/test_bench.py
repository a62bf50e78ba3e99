"""`invisp bench` as people call it, with small graphs and few rounds."""

import json
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from tests.graphs import CANON_30D, Graphs, write_graphs

QUICK = ("--tile", 32, "--runs", 3, "--skip-memory", "--threads", 1)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(1, 4, 2), CANON_30D)


@pytest.fixture(scope="module")
def before(graphs: Graphs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a first run over both directions."""
    path = tmp_path_factory.mktemp("before") / "before.json"
    done = bench(graphs.forward.parent, *QUICK, "--report", path)
    assert done.exit_code == 0, done.output
    return path


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


def refused(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert all(word in result.stderr for word in words), result.stderr


def test_the_json_holds_everything(before: Path) -> None:
    result = json.loads(before.read_text())
    assert result["format"] == 1
    assert {"machine", "clock_setup", "clocks_now", "versions", "threads", "load_average", "matrix_rate"} <= set(result)
    assert [row["direction"] for row in result["cases"]] == ["forward", "inverse"]
    for row in result["cases"]:
        assert row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] <= row["max_ms"]
        assert len(row["times_ms"]) == 3
        assert row["calls"] == sum(len(turn) for turn in row["times_ms"])
        assert row["gflops"] > 0
        assert row["share_of_matmul"] == pytest.approx(row["gflops"] / result["matrix_rate"]["gflops"])
    assert result["failed"] == result["sizes"] == result["files"] == []


def test_against_gives_ratios_and_lists_what_has_no_partner(graphs: Graphs, before: Path, tmp_path: Path) -> None:
    done = bench(graphs.forward, *QUICK, "--against", before, "--pictures", tmp_path / "report")
    assert done.exit_code == 0, done.output
    assert "only before: ONNX Runtime CPU" in done.stdout
    result = json.loads((tmp_path / "report" / "report.json").read_text())
    (row,) = result["against"]["ratios"]
    assert row["ratio"] == pytest.approx(row["before_ms"] / row["now_ms"])
    assert row["low"] <= row["ratio"] <= row["high"]
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.json", "report.md", "latency.png"}
    assert "](latency.png)" in (tmp_path / "report" / "report.md").read_text()


def test_against_other_threads_is_refused_before_anything_is_measured(graphs: Graphs, before: Path) -> None:
    data = json.loads(before.read_text())
    other = before.with_name("other.json")
    other.write_text(json.dumps({**data, "threads": 99}))
    refused(bench(graphs.forward, *QUICK, "--against", other), 2, "differs in threads (99, now 1)")


def test_peers_stand_side_by_side_or_are_stated_as_failed(
    graphs: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from invisp_deploy.network.checkpoint import save_checkpoint

    def refuse(module: object, **options: object) -> object:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", refuse)
    weights, output = tmp_path / "weights.safetensors", tmp_path / "result.json"
    save_checkpoint(weights, graphs.checkpoint)
    refused(bench(graphs.inverse, *QUICK, "--peers", "--checkpoint", weights), 1, "no tensor graphs", "--io tensor")
    tensors = write_graphs(tmp_path, graphs.checkpoint.config, graphs.checkpoint.contract, form="tensor")
    assert tensors.checkpoint.weights == graphs.checkpoint.weights
    done = bench(tensors.inverse, *QUICK, "--peers", "--checkpoint", weights, "--report", output)
    assert done.exit_code == 0, done.output
    result = json.loads(output.read_text())
    assert [row["runtime"] for row in result["cases"]] == [
        "ONNX Runtime CPU",
        "PyTorch eager",
        "PyTorch eager channels-last",
        "naive ONNX export",
    ]
    assert all(row["psnr"] >= 100 for row in result["cases"])
    assert [row["ratio"] is None for row in result["cases"]] == [False, True, False, False]
    assert result["cases"][0]["ratio"]["to"].startswith("PyTorch eager")
    assert [one["runtime"] for one in result["failed"]] == ["torch.compile", "torch.compile channels-last"]
    assert result["cases"][0]["ratio_to_fastest"]["to"].startswith("PyTorch eager")
    assert "torch.compile edge" not in done.stdout
    assert "failed: RuntimeError: no compiler here" in done.stdout


def test_sizes_and_a_file_without_a_table(graphs: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "photo.dng", small_frame)
    output = tmp_path / "result.json"
    done = bench(graphs.forward, "--sizes", "0.02", "--file", tmp_path / "photo.dng", "--report", output)
    assert done.exit_code == 0, done.output
    result = json.loads(output.read_text())
    assert result["cases"] == []
    (curve,), (file,) = result["sizes"], result["files"]
    assert curve["rows"][0]["peak_mb"] > 20
    assert (len(file["whole"]), len(file["bare"])) == (3, 3)
    assert all(whole > bare for whole, bare in zip(file["whole"], file["bare"], strict=True))
    assert file["ratio"] > 1, "a process starts, decodes and encodes"


def test_importing_and_measuring_needs_no_torch(graphs: Graphs) -> None:
    """In a process of its own, because this one has it already."""
    import subprocess

    code = (
        "import sys; from invisp_deploy.cli.bench import bench_command as main\n"
        f"main({[str(graphs.forward), *map(str, QUICK)]!r}, standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--runs", 3, "--duration", 1), "exclude each other"),
        (("--peers",), "--checkpoint belong together"),
        (("--checkpoint", "w"), "--checkpoint belong together"),
        (("--sizes", "1,x"), "numbers with commas"),
        (("--sizes", "0"), "numbers above 0"),
        (("--tile", "33"), "takes multiples of 2 pixels, got --tile 33"),
        (("--against", "missing.json"), "missing.json is not a measurement"),
        (("--file", "a.dng", "--threads", 77), "leave --threads out"),
    ],
)
def test_requests_that_cannot_be_met(graphs: Graphs, words: tuple[object, ...], said: str) -> None:
    refused(bench(graphs.forward, *words), 2, said)


def test_existing_outputs_are_kept(graphs: Graphs, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")
    refused(bench(graphs.forward, *QUICK, "--pictures", tmp_path), 2, "exists already")
    (tmp_path / "result.json").write_text("mine")
    refused(bench(graphs.forward, *QUICK, "--report", tmp_path / "result.json"), 2, "exists already")
