"""What every command owes a user whom it refuses."""

from __future__ import annotations

from click.testing import Result


def refused(result: Result, code: int, *words: str) -> None:
    """One sentence that says all words, the exit code, no traceback."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert len([line for line in result.stderr.splitlines() if line.startswith("Error: ")]) == 1
    assert [word for word in words if word not in result.stderr] == []


def refused_at_once(result: Result, code: int, *words: str) -> None:
    """`refused` before anything else was said."""
    refused(result, code, *words)
    assert result.stdout == ""
