"""One meaning each: no two classes of the package have one name, and no two public functions."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "invisp_deploy"


def public_classes() -> dict[str, set[str]]:
    """Name -> modules that define a class of it at their top level, or an alias that is called (`Stage = Callable`)."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            alias = isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Callable[")
            names = [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) and alias else []
            names += [node.name] if isinstance(node, ast.ClassDef) else []
            for name in names:
                if not name.startswith("_"):
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


def test_no_class_name_is_used_twice() -> None:
    found = public_classes()
    assert len(found) > 100, "the package is looked at"
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


def test_no_function_name_is_used_twice() -> None:
    found = public_functions()
    assert len(found) > 300, "the package is looked at"
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}
