"""Write the table of tolerances as Markdown: python scripts/tolerances_table.py docs/tolerances.md"""

from __future__ import annotations

import sys
from pathlib import Path

from invisp_deploy.tolerances import TOLERANCES

HEAD = """# Tolerances

Every limit that export, commands and tests compare with, from `invisp_deploy/tolerances.py`. Written by
`make docs`; a test compares this page with the source.

| name | limit | unit | why |
|---|---|---|---|
"""


def page() -> str:
    rows = (
        f"| {name} | {t.limit:g} | {t.unit} | {t.reason} |\n".replace("|s|", "\\|s\\|")
        for name, t in TOLERANCES.items()
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
