"""`__all__` says what a module's public names are, everywhere and completely."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import invisp_deploy

PACKAGE = Path(__file__).parent.parent / "invisp_deploy"
MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py" and not path.is_relative_to(PACKAGE / "cli") and path.name != "__main__.py"
)


def public_names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Names that a module defines (not imports) at its top level and that do not start with an underscore.

    Those that must be exported, and those that may be: shorthand for array types, and subcommands, which
    people reach through their group.
    """
    must: set[str] = set()
    may: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            must.add(node.name)
        elif isinstance(node, ast.FunctionDef):
            subcommand = any("main.command" in ast.unparse(decorator) for decorator in node.decorator_list)
            (may if subcommand else must).add(node.name)
        elif isinstance(node, ast.Assign):
            names = {leaf.id for target in node.targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
            (may if ast.unparse(node.value).startswith("npt.NDArray[") else must).update(names)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            must.add(node.target.id)
    return tuple({name for name in names if not name.startswith("_")} for names in (must, may))  # type: ignore[return-value]


def exported_names(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_all_is_what_is_public(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    exported = exported_names(tree)
    assert len(exported) == len(set(exported))
    must, may = public_names(tree)
    assert must <= set(exported) <= must | may


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_take_from_each_other_only_what_is_exported(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("invisp_deploy."):
            continue
        source = PACKAGE.parent / str(node.module).replace(".", "/")
        if source.is_dir() and not (source / "__init__.py").read_text(encoding="utf-8").count("__all__"):
            continue  # a module out of its room
        if source.parts[-2] == "cli":
            continue  # commands have no Python face
        file = source / "__init__.py" if source.is_dir() else source.with_suffix(".py")
        exported = exported_names(ast.parse(file.read_text(encoding="utf-8")))
        assert {alias.name for alias in node.names} <= set(exported), node.module


def test_the_package_exports_these_names_and_no_others() -> None:
    assert invisp_deploy.__all__ == [
        "CONFIGURATIONS",
        "CameraContract",
        "Direction",
        "GraphCard",
        "InvispError",
        "NetworkConfig",
        "__version__",
    ]
    assert all(hasattr(invisp_deploy, name) for name in invisp_deploy.__all__)
