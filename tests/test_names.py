"""One meaning each: no two classes or types of the package have one name, and no two public functions."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "invisp_deploy"


def is_type(name: str) -> bool:
    """Spelled as a class is (`Stage`, `OnnxRuntime`), where constants and functions are not (`EDGE`, `run_options`)."""
    return name[0].isupper() and not (name.isupper() and len(name) > 1)


def public_types() -> dict[str, set[str]]:
    """Name -> modules that define a class or an alias of a type at their top level (`Window = tuple[slice, slice]`)."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                names = [ast.unparse(target) for target in node.targets]
            else:
                names = [ast.unparse(node.target)] if isinstance(node, ast.AnnAssign) else []
            for name in filter(is_type, names):
                found[name].add(path.relative_to(PACKAGE).as_posix())
    return found


def public_functions() -> dict[str, set[str]]:
    """Name -> modules that define a function of it at their top level. `main` is what a process of its own runs."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name != "main":
                found[node.name].add(path.relative_to(PACKAGE).as_posix())
    return found


def test_no_name_of_a_type_is_used_twice() -> None:
    found = public_types()
    assert len(found) > 100, "the package is looked at"
    assert {"GraphCard", "Window", "BuildProgress", "Size"} <= set(found), "classes, and aliases of every spelling"
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


def test_no_function_name_is_used_twice() -> None:
    found = public_functions()
    assert len(found) > 300, "the package is looked at"
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}
