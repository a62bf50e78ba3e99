"""Write the table of tolerances as Markdown: python scripts/tolerances_table.py docs/tolerances.md"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from invisp_deploy.tolerances import CODE_PARITY, PARITY, TOLERANCES

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

CODE_HEAD = """
## Parity of camera graphs

The same where bytes of sRGB or DN come out, in every runtime and direction. Decibels have the peak 255 or the white
level, and the largest difference is in units of it. Rounding makes small errors rare and whole, so the limits are
lower; the round trip goes through 8-bit codes, and its limit only tells a pair of graphs from two that do not belong
together.

| precision | dB | round trip, dB | largest difference | why |
|---|---|---|---|---|
"""


def page() -> str:
    rows = (
        f"| {name} | {t.limit:g} | {t.unit} | {t.reason} |\n".replace("|s|", "\\|s\\|")
        for name, t in TOLERANCES.items()
    )
    return HEAD + "".join(rows) + PARITY_HEAD + "".join(parity_rows()) + CODE_HEAD + "".join(code_rows())


def parity_rows() -> Iterator[str]:
    for (runtime, precision, direction), p in PARITY.items():
        limits = f"{p.psnr:g} | {p.round_trip_psnr:g} | {p.max_abs:g}"
        yield f"| {runtime} | {precision} | {direction} | {limits} | {p.reason} |\n"


def code_rows() -> Iterator[str]:
    for precision, p in CODE_PARITY.items():
        yield f"| {precision} | {p.psnr:g} | {p.round_trip_psnr:g} | {p.max_abs:.4f} | {p.reason} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
