"""`__all__` stands where there is a public face: in the `__init__.py` of the package and of rooms that have names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import invisp_deploy

PACKAGE = Path(__file__).parent.parent / "invisp_deploy"
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
