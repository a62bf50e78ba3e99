"""Messages of the library speak of parameters, not of options: the command that runs turns the one into the other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "invisp_deploy"
LIBRARY = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "cli")
A_COMMAND = re.compile(r"`(?:invisp|invisp-run|invisp-export|pip|python3|docker|git) [^`]*`")
"""A whole line to type may have options; it stands in backticks."""


def messages(tree: ast.Module) -> Iterator[str]:
    """The text of every error that is made; values in it become `{}`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            parts = [leaf for part in node.args for leaf in ast.walk(part)]
            yield "{}".join(str(leaf.value) for leaf in parts if isinstance(leaf, ast.Constant))


def test_messages_are_found() -> None:
    """Enough of them, and with their values, so that the test below looks at something."""
    found = [text for path in LIBRARY for text in messages(ast.parse(path.read_text(encoding="utf-8")))]
    assert len(found) > 200
    assert "The output {} exists already: remove it or pass `overwrite`." in found


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_option_is_named_outside_a_line_to_type(path: Path) -> None:
    found = [A_COMMAND.sub("", text) for text in messages(ast.parse(path.read_text(encoding="utf-8")))]
    assert [text for text in found if re.search(r"(?<![\w-])--[a-z]", text)] == []
