"""Trials really run, and outlive what they try."""

import json
import sys
from pathlib import Path

import onnxruntime
import pytest

from invisp_deploy.device.examine import RENDERING, Trial, examine, try_out


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands first on the path, for libraries that misbehave."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_rendering_and_every_provider_are_tried() -> None:
    names: list[str] = []
    found = examine(names.append)
    assert [trial.name for trial in found.trials] == names
    assert {f"onnxruntime {name}" for name in onnxruntime.get_available_providers()} <= set(names)
    assert found.renders
    assert found.works("onnxruntime CPUExecutionProvider")
    data = json.loads(json.dumps(found.to_dict()))
    assert data["renders"] is True
    assert {trial["status"] for trial in data["trials"]} <= {"ok", "failed", "absent"}


def test_a_library_that_crashes_is_a_finding(library: Path) -> None:
    (library / "tensorrt.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    assert try_out("tensorrt", "backend", "tensorrt") == Trial("tensorrt", "failed", "crashes (SIGSEGV)")


def test_a_library_that_does_not_load_says_why(library: Path) -> None:
    (library / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: cannot open shared object file')\n")
    trial = try_out("tensorrt", "backend", "tensorrt")
    assert trial.status == "failed"
    assert "libnvinfer.so.10" in trial.text


def test_a_library_that_ends_the_process_or_prints_is_survived(library: Path) -> None:
    (library / "polygraphy.py").write_text("import os\nos._exit(3)\n")
    assert try_out("polygraphy", "imports", "polygraphy") == Trial(
        "polygraphy", "failed", "ends with exit code 3: no message"
    )
    (library / "onnx.py").write_text("print('{\"ok\": false}')\n")
    assert try_out("onnx", "imports", "onnx") == Trial("onnx", "ok", "imports")


def test_a_library_that_hangs_is_left(library: Path) -> None:
    (library / "onnx.py").write_text("import time\ntime.sleep(60)\n")
    assert try_out("onnx", "imports", "onnx", seconds=1).text == "did not answer within 1 s"


def test_an_onnxruntime_that_does_not_load_stops_rendering(library: Path) -> None:
    (library / "onnxruntime.py").write_text("raise ImportError('built for numpy 1')\n")
    trial = try_out(RENDERING, "rendering")
    assert trial.status == "failed"
    assert "built for numpy 1" in trial.text


def test_a_provider_that_is_not_there_is_refused() -> None:
    trial = try_out("x", "provider", "NoSuchExecutionProvider")
    assert trial.status == "failed"
    assert "has no NoSuchExecutionProvider" in trial.text


def test_trials_leave_this_process_alone(library: Path) -> None:
    (library / "tensorrt.py").write_text("__version__ = '10.3.0'\n")
    try_out("tensorrt", "backend", "tensorrt")
    assert "tensorrt" not in sys.modules
