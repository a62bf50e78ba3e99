"""`invisp-export engine` as a user meets it: result lines, JSON, and one sentence for every refusal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import export as main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.engines import make
from invisp_deploy.files import sha256_file
from invisp_deploy.runtimes.golden import golden_path
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, sidecar_path
from tests.cli.refusal import refused_at_once
from tests.graphs import CANON_30D, Graphs, write_graphs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(1, 4, 2), CANON_30D)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cache of its own, without a GPU and without TensorRT, whatever the machine has."""
    monkeypatch.setenv("INVISP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(make, "find_device", lambda: None)
    monkeypatch.setitem(sys.modules, "tensorrt", None)


def engine(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["engine", *map(str, arguments)])


def rtx(path: Path, output: Path, *arguments: object) -> Result:
    return engine(path, "-o", output, "--backend", "tensorrt-rtx", *arguments)


def test_result_lines_name_file_size_time_memory_and_what_comes_next(graphs: Graphs, tmp_path: Path) -> None:
    out = tmp_path / "f.trt"
    result = rtx(graphs.forward, out, "--target", "sm89,sm86", "--tile", 64)
    assert result.exit_code == 0, result.output
    wrote, verified, following = result.stdout.splitlines()
    what = r"forward fp32, 64x64, tensorrt-rtx 1\.7\.\S+ for sm86, sm89"
    took = r"15 convolutions in Float; built in [\d.]+ s with \d+ MB of memory, takes \d+ MB on the GPU"
    assert re.fullmatch(rf"wrote {out} \([\d.]+ [kM]B\), {what}; {took}", wrote)
    assert verified == f"not yet verified: run `invisp verify --engine {out}` on the device"
    assert following == f"next: invisp-run --engine {out} photo.CR2 -o photo.jpg"
    assert result.stderr == ""


def test_the_second_time_it_comes_from_the_cache_and_says_so(graphs: Graphs, tmp_path: Path) -> None:
    arguments = ("--target", "sm89", "--profile", "32", "64", "64x96")
    first = rtx(graphs.inverse, tmp_path / "i.trt", *arguments)
    second = rtx(graphs.inverse, tmp_path / "again.trt", *arguments)
    assert "32x32 to 64x96, best at 64x64" in first.stdout
    assert "found in the cache" not in first.stdout
    assert re.search(r"; found in the cache \(built in [\d.]+ s with \d+ MB of memory\)", second.stdout)
    assert "again.trt photo.jpg -o photo.dng" in second.stdout
    assert sha256_file(tmp_path / "i.trt") == sha256_file(tmp_path / "again.trt")
    third = rtx(graphs.inverse, tmp_path / "anew.trt", *arguments, "--no-cache")
    assert "found in the cache" not in third.stdout


def test_a_damaged_cache_is_noted_on_standard_error(graphs: Graphs, tmp_path: Path) -> None:
    rtx(graphs.forward, tmp_path / "f.trt", "--tile", 64)
    (plan,) = (tmp_path / "cache" / "engines").glob("*.trt")
    plan.write_bytes(b"")
    result = rtx(graphs.forward, tmp_path / "f.trt", "--tile", 64, "--overwrite")
    assert result.exit_code == 0
    assert result.stderr == f"note: the cached engine {plan} is damaged and is built again\n"


def test_json_is_one_object(graphs: Graphs, tmp_path: Path) -> None:
    out = tmp_path / "f.engine"
    result = rtx(graphs.forward, out, "--tile", "64x96", "--json")
    data = json.loads(result.stdout)
    assert result.stderr == ""
    assert data.pop("card") == json.loads(sidecar_path(out).read_text())
    assert data == {
        "path": str(out),
        "sidecar": str(sidecar_path(out)),
        "golden": str(golden_path(out)),
        "bytes": out.stat().st_size,
        "cached": False,
        "notes": [],
    }
    card = EngineCard.from_json(sidecar_path(out).read_text(), "card")
    assert card.targets == ("sm80", "sm86", "sm89", "sm120", "sm121")


def test_where_a_gpu_is_the_line_says_what_it_measured(
    graphs: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "find_device", lambda: CudaDevice("NVIDIA RTX 4090", "sm89", "13.0", 24_000_000_000))
    monkeypatch.setattr(make, "open_engine", lambda path: OnnxRuntime(graphs.forward))
    result = rtx(graphs.forward, tmp_path / "f.trt", "--tile", 64)
    assert re.search(r"^verified on NVIDIA RTX 4090: \d+\.\d dB against ONNX Runtime \S+ CPU$", result.stdout, re.M)
    assert "not yet verified" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["--backend", "tensorrt"], 2, ["tensorrt is not installed", "pip install tensorrt", "--backend tensorrt-rtx"]),
        (["--target", "sm87"], 1, ["sm87 (Jetson Orin)", "--backend tensorrt on the device"]),
        (["--target", "rtx4090"], 2, ["--target takes compute capabilities such as sm86,sm89"]),
        (["--tile", "65"], 2, ["multiples of 2", "pass 66x66"]),
        (["--tile", "32"], 2, ["leaves no core", "larger than 44"]),
        (["--tile", "64", "--profile", "32", "64", "128"], 2, ["pass one of them"]),
        (["--profile", "64", "32", "128"], 2, ["sort them"]),
        (["--optimization-level", "5"], 2, ["no optimisation levels"]),
        (["-o", "no/f.trt"], 2, ["The output folder no does not exist"]),
        (["-o", "f.onnx"], 2, ["An engine is named .trt, .engine, .plan"]),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    graphs: Graphs, tmp_path: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    refused_at_once(rtx(graphs.forward, tmp_path / "f.trt", *arguments), code, *parts)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_is_no_graph(graphs: Graphs, tmp_path: Path) -> None:
    assert rtx(graphs.forward, tmp_path / "f.trt", "--tile", 64).exit_code == 0
    refused_at_once(rtx(tmp_path / "f.trt", tmp_path / "g.trt"), 2, "is named like an engine: pass the ONNX graph")
    (tmp_path / "f.onnx").write_bytes((tmp_path / "f.trt").read_bytes())
    refused_at_once(rtx(tmp_path / "f.onnx", tmp_path / "g.trt"), 1, "f.onnx is not an ONNX graph")
    refused_at_once(rtx(graphs.forward, tmp_path / "f.trt"), 2, "exists already", "--overwrite")


def test_neither_torch_nor_onnx_is_needed(graphs: Graphs, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'rawpy', 'PIL', 'tifffile'): sys.modules[name] = None\n"
        "from invisp_deploy.cli.main import export as main\n"
        "main()\n"
    )
    words = ["engine", graphs.forward, "-o", tmp_path / "f.trt", "--backend", "tensorrt-rtx", "--tile", "64"]
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("wrote ")


def test_help_needs_none_of_what_builds() -> None:
    code = (
        "import sys\n"
        "from invisp_deploy.cli.main import export as main\n"
        "main(['engine', '--help'], standalone_mode=False)\n"
        "print([name for name in ('numpy', 'onnxruntime', 'tensorrt_rtx', 'tqdm') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--optimization-level" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
