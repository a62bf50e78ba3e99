"""Draw docs/images/rooms.svg from the table in docs/architecture.md: each room above all that it imports.

python scripts/rooms_picture.py docs/architecture.md docs/images/rooms.svg
"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path

WIDTH, ROW, BOX, GAP, MARGIN = 1080, 74, 46, 14, 24


def rooms_of(page: str) -> dict[str, tuple[str, list[str]]]:
    """Room -> what it does, and the rooms that it may import."""
    table = re.search(r"\| room \|.*?\n\|[-|]+\n(.*?)\n\n", page, re.S)
    if table is None:
        sys.exit("The page has no table of rooms, which begins with `| room |`: pass docs/architecture.md.")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]
    return {row[0]: (row[1], [name for name in row[2].split(", ") if name]) for row in rows}


def depths(rooms: dict[str, tuple[str, list[str]]]) -> dict[str, int]:
    """Longest way down to the foundation."""
    found: dict[str, int] = {}

    def depth(room: str) -> int:
        if room not in found:
            found[room] = 1 + max((depth(name) for name in rooms[room][1]), default=-1)
        return found[room]

    for room in rooms:
        depth(room)
    return found


def drawn(rooms: dict[str, tuple[str, list[str]]]) -> str:
    levels = depths(rooms)
    top = max(levels.values())
    height = (top + 1) * ROW + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fafaf8"/>',
    ]
    for level in range(top, -1, -1):
        row = [room for room in rooms if levels[room] == level]
        width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row)
        y = MARGIN + (top - level) * ROW
        for index, room in enumerate(row):
            x = MARGIN + index * (width + GAP)
            says = escape(f"{rooms[room][0]}; imports {', '.join(rooms[room][1]) or 'nothing of ours'}")
            parts.append(
                f'<g><title>{says}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BOX}" rx="6" '
                f'fill="#ffffff" stroke="#4a5568"/><text x="{x + width / 2:.1f}" y="{y + BOX / 2 + 5}" '
                f'text-anchor="middle" font-size="15" fill="#1a202c">{escape(room)}</text></g>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(drawn(rooms_of(source.read_text(encoding="utf-8"))), encoding="utf-8")
