"""Markdown tables from plain data."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float | None, digits: int) -> str:
    """The number with so many digits behind the point and commas before it; a dash for None."""
    return "–" if value is None else f"{value:,.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, padded: bool = False) -> str:
    """A Markdown table without a line end behind it; bars in cells are escaped.

    padded: cells of a column are equally wide, so that it reads on a terminal as well. Raises ValueError for a row
    that is not as long as the head.
    """
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    columns = list(zip(*cells, strict=True))
    widths = [max(len(cell) for cell in column) if padded else 0 for column in columns]
    lines = [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in cells]
    rule = f"| {' | '.join('-' * max(width, 3) for width in widths)} |"
    return "\n".join((lines[0], rule, *lines[1:]))
