"""The check of a machine with a GPU, as far as it goes without one: it must say so, and never count what is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def check(out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHON": sys.executable, "CHECK_GPU_OUT": str(out), **environment}
    variables.pop("CHECK_GPU_PROVIDER", None)
    command = [str(ROOT / "scripts" / "check_gpu.sh")]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def test_without_a_gpu_it_says_so_and_fails(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "torch.py").write_text("raise ImportError('quick')\n")  # the real one takes seconds
    done = check(tmp_path / "report", CUDA_VISIBLE_DEVICES="", PYTHONPATH=str(hidden))
    assert done.returncode == 1, done.stderr
    assert "no GPU: the NVIDIA driver finds none on this machine, so nothing was checked" in done.stdout
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [(step["step"], step["status"]) for step in report["steps"]] == [("doctor", "passed"), ("gpu", "FAILED")]
    assert report["measured"]["doctor"]["machine"]["gpu"] == "none"
    assert (tmp_path / "report" / "report.txt").read_text() == done.stdout


def test_an_earlier_report_is_not_mixed_with_a_new_one(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert list(tmp_path.iterdir()) == []


def report(folder: Path, *statuses: str) -> subprocess.CompletedProcess[str]:
    steps = (f"{status}\tstep{index}\t{index}\tsaid\tso\n" for index, status in enumerate(statuses))
    (folder / "steps.tsv").write_text("".join(steps))
    command = [sys.executable, str(ROOT / "scripts" / "check_gpu_report.py"), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("statuses", "code", "words"),
    [
        (("passed", "missing"), 0, "1 steps passed, 0 failed, 1 are missing"),
        (("passed", "FAILED", "missing", "missing"), 1, "1 steps passed, 1 failed, 2 are missing"),
    ],
)
def test_steps_are_counted_for_what_they_are(tmp_path: Path, statuses: tuple[str, ...], code: int, words: str) -> None:
    done = report(tmp_path, *statuses)
    assert (done.returncode, done.stdout.startswith(words)) == (code, True), done.stdout
    written = json.loads((tmp_path / "report.json").read_text())
    assert [step["status"] for step in written["steps"]] == list(statuses)
    assert written["steps"][1]["remark"] == "said\tso"


def test_the_table_shows_figures_and_latencies(tmp_path: Path) -> None:
    latency = {"direction": "forward", "shape": [1, 3, 512, 512], "runs": 20, "p50": 1.234, "p90": 2.0}
    verified = {"figures": [{"name": "forward PSNR", "value": 63.21}], "latency_ms": [latency]}
    (tmp_path / "tensorrt-fp16.json").write_text(json.dumps(verified))
    (tmp_path / "pytorch-eager.json").write_text(json.dumps({"latency_ms": [{**latency, "direction": "inverse"}]}))
    lines = report(tmp_path, "passed", "passed").stdout.splitlines()
    assert lines[0].startswith("| run | forward dB |")
    assert lines[2] == "| pytorch-eager |  |  |  |  | 1.23 / 2.00 | 512x512 |"
    assert lines[3] == "| tensorrt-fp16 | 63.2 |  |  | 1.23 / 2.00 |  | 512x512 |"
