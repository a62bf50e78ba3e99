"""The wheel holds the package and its data, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import invisp_deploy
from invisp_deploy.models import MODELS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built offline from a copy, so that no build folder stays in the checkout."""
    copy = tmp_path_factory.mktemp("wheel") / "checkout"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "demo", "work", "*.CR2")
    shutil.copytree(ROOT, copy, ignore=ignored)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", "out", "."]
    subprocess.run(build, cwd=copy, check=True, capture_output=True)
    (path,) = (copy / "out").glob("*.whl")
    return zipfile.ZipFile(path)


def test_only_the_package_is_installed(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"invisp_deploy", f"invisp_deploy-{invisp_deploy.__version__}.dist-info"}


def test_every_module_and_every_shipped_file_is_in_it(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "invisp_deploy"
    expected = {path for path in package.rglob("*.py")} | {path for path in package.glob("models/*/*.*")}
    expected = {path for path in expected if "__pycache__" not in path.parts and not path.name.startswith(".")}
    expected |= {package / "py.typed", package / "training/cameras.json", *package.glob("sensor/cameras/*.toml")}
    assert {path.relative_to(ROOT).as_posix() for path in expected} <= set(wheel.namelist())


def test_the_shipped_models_are_in_it_and_no_sample(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    for folder in MODELS.values():
        for name in (
            "forward.onnx",
            "inverse.onnx",
            "weights.safetensors",
            "forward16.onnx.npz",
            "report.json",
        ):
            assert f"invisp_deploy/models/{folder}/{name}" in names
    assert [name for name in names if "samples" in name or name.lower().endswith((".cr2", ".dng"))] == []


def test_the_base_needs_no_torch_and_no_onnx(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    needs = metadata.get_all("Requires-Dist") or []
    base = sorted(re.split(r"[>=<!~;\s]", need)[0].lower() for need in needs if "extra ==" not in need)
    assert base == ["click", "numpy", "onnxruntime", "pillow", "rawpy", "tifffile", "tomli", "tqdm"]
    extras = {
        "archive",
        "bench",
        "export",
        "gpu",
        "hdr",
        "openvino",
        "research",
        "rtx",
        "tables",
        "tensorboard",
        "test",
        "train",
        "v4l2",
        "verify",
    }
    assert set(metadata.get_all("Provides-Extra") or []) == extras
    assert metadata["Requires-Python"] == ">=3.10"
