"""Markdown tables from plain data."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float | None, digits: int) -> str:
    """The number with so many digits behind the point and commas before it; a dash for None."""
    return "–" if value is None else f"{value:,.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table without a line end behind it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
