"""Public names: listed in the `__init__.py` of the package and of rooms with a face, and free of PyTorch until used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import invisp_deploy

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "invisp_deploy"
MODULES = sorted(PACKAGE.rglob("*.py"))


def lists_its_names(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=name_of)
def test_modules_have_no_list_of_names(path: Path) -> None:
    assert not lists_its_names(path)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_what_begins_with_an_underscore_stays_in_its_module(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("invisp_deploy"):
            assert [alias.name for alias in node.names if alias.name.startswith("_") and alias.name[:2] != "__"] == []


def test_the_package_exports_these_names_and_no_others() -> None:
    assert invisp_deploy.__all__ == [
        "InvispError",
        "Model",
        "Picture",
        "RawFrame",
        "develop",
        "export_onnx",
        "load",
        "read_picture",
        "read_raw",
        "undevelop",
    ]
    assert all(hasattr(invisp_deploy, name) for name in invisp_deploy.__all__)


@pytest.mark.parametrize("room", ["calibration", "training"])
def test_a_room_gives_its_names_on_use_and_costs_nothing_before(room: str) -> None:
    module = importlib.import_module(f"invisp_deploy.{room}")
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, invisp_deploy.{room}; print({{'torch', 'numpy'}} & set(sys.modules))"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


def test_the_function_stays_a_function_once_its_room_was_used() -> None:
    """A submodule of the same name would take its place."""
    code = (
        "import invisp_deploy.training.make, invisp_deploy.calibration.make\n"
        "from invisp_deploy.training import train; from invisp_deploy.calibration import calibrate\n"
        "from invisp_deploy.training import train as again; assert again is train\n"
        "print(train.__module__, calibrate.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["invisp_deploy.training.make", "invisp_deploy.calibration.make"]
