"""Write the table of tolerances as Markdown: python scripts/tolerances_table.py docs/tolerances.md"""

from __future__ import annotations

import sys
from pathlib import Path

from invisp_deploy.report.markdown import table
from invisp_deploy.tolerances import CODE_PARITY, ENGINE_PARITY, PARITY, TOLERANCES

HEAD = """# Tolerances

Every limit that export, commands and tests compare with, from `invisp_deploy/tolerances.py`. Written by
`make docs`; a test compares this page with the source.
"""

PARITY_HEAD = """
## Parity

What is computed on a golden input: decibels (peak 1) of the output, decibels of the round trip through both directions
of a precision, and the largest difference, the same in every runtime and both directions. Of graphs and engines they
are in units of full scale, the largest code or the white level: rounding makes small errors rare and whole, so the
limits are lower than those of the network inside, and the round trip goes through codes, so its limit only tells a
pair from two that do not belong together.

A graph is held to fp32 PyTorch, which says what its precision costs. An engine is held to its own graph in ONNX
Runtime, which says that it computes this graph. In int8 and fp8 a right engine is not equal to its graph: sums come in
another order, a value next to a half rounds the other way, and each such value sets off others behind it. How far that
goes lies in the weights, so `invisp-export engine` measures it: the graph against itself with what its network reads
1e-5 off. The engine must come as near, less the margin `engine-self`.
"""

PARITIES = {
    "the network inside": PARITY,
    "graph": CODE_PARITY,
    "engine": ENGINE_PARITY,
}


def page() -> str:
    limits = [(name, f"{t.limit:g}", t.unit, t.reason) for name, t in TOLERANCES.items()]
    parities = [
        (what, precision, f"{p.psnr:g}", f"{p.round_trip_psnr:g}", f"{p.max_abs:.2g}", p.reason)
        for what, precisions in PARITIES.items()
        for precision, p in precisions.items()
    ]
    head = ("what", "precision", "dB", "round trip, dB", "largest difference", "why")
    parts = (HEAD, table(("name", "limit", "unit", "why"), limits), PARITY_HEAD, table(head, parities))
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
