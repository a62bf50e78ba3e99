"""The table over RAW files in a page: `files_table.py DIR PAGE`, DIR as `invisp eval files` leaves it.

Between `<!-- begin files -->` and `<!-- end files -->` of PAGE stands then what files.json says. Both it and the
picture are copied beside PAGE, to measured/files.json and images/files.png.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from invisp_deploy.files import write_whole
from invisp_deploy.report.files import Facts, files_page


def filled(page: str, facts: Facts) -> str:
    """The page with a fresh table."""
    pattern = re.compile(r"(<!-- begin files -->\n).*?(<!-- end files -->)", re.S)
    text = files_page(facts, "images/files.png")
    page, count = pattern.subn(lambda found: f"{found[1]}\n{text}\n{found[2]}", page)
    if count != 1:
        sys.exit(f"The page has {count} places for the files, expected one.")
    return page


if __name__ == "__main__":
    folder, page = Path(sys.argv[1]), Path(sys.argv[2])
    source = (folder / "files.json").read_bytes()
    write_whole(page, filled(page.read_text(encoding="utf-8"), json.loads(source)))
    for name, data in (("measured/files.json", source), ("images/files.png", (folder / "files.png").read_bytes())):
        (page.parent / name).parent.mkdir(exist_ok=True)
        write_whole(page.parent / name, data)
