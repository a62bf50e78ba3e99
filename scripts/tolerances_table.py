"""Write the table of tolerances as Markdown: python scripts/tolerances_table.py docs/tolerances.md"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from invisp_deploy.tolerances import PARITY, TOLERANCES

HEAD = """# Tolerances

Every limit that export, commands and tests compare with, from `invisp_deploy/tolerances.py`. Written by
`make docs`; a test compares this page with the source.

| name | limit | unit | why |
|---|---|---|---|
"""

PARITY_HEAD = """
## Parity of engines and graphs

What a runtime must reach on a golden input, in each precision and direction: decibels (peak 1) against fp32 PyTorch,
decibels of the round trip through both graphs of that precision, and the largest difference.

| runtime | precision | direction | dB | round trip, dB | largest difference | why |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    rows = (
        f"| {name} | {t.limit:g} | {t.unit} | {t.reason} |\n".replace("|s|", "\\|s\\|")
        for name, t in TOLERANCES.items()
    )
    return HEAD + "".join(rows) + PARITY_HEAD + "".join(parity_rows())


def parity_rows() -> Iterator[str]:
    for (runtime, precision, direction), p in PARITY.items():
        limits = f"{p.psnr:g} | {p.round_trip_psnr:g} | {p.max_abs:g}"
        yield f"| {runtime} | {precision} | {direction} | {limits} | {p.reason} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
