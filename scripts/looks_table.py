"""The table of shipped looks in a page: `looks_table.py docs/looks.md docs/measured/looks`.

Between `<!-- begin looks -->` and `<!-- end looks -->` of the page stands then what the JSON files of the folder say,
each a report of `invisp eval look` under the name of its look, as `scripts/shipped_card.py` leaves it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from invisp_deploy.files import write_whole
from invisp_deploy.report.look import looks_table

NONE = "None has been measured so."


def filled(page: str, folder: Path) -> str:
    """The page with a fresh table."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    text = looks_table(found) if found else NONE
    pattern = re.compile(r"(<!-- begin looks -->\n).*?(<!-- end looks -->)", re.S)
    page, count = pattern.subn(lambda around: f"{around[1]}\n{text}\n\n{around[2]}", page)
    if count != 1:
        sys.exit(f"The page has {count} places for the looks, expected one.")
    return page


if __name__ == "__main__":
    page, folder = map(Path, sys.argv[1:])
    write_whole(page, filled(page.read_text(encoding="utf-8"), folder))
