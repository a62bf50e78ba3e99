"""Writes the tables of docs/paper_tables.md from the JSON files that `invisp research` made.

Usage: paper_tables.py PAGE FOLDER. Between `<!-- begin NAME -->` and `<!-- end NAME -->` of the page stands what
FOLDER/NAME.json says, for table1, table2 and rate; a file that is not there yet leaves a line that says so.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from invisp_deploy.files import write_whole
from invisp_deploy.report.experiments import rate_page, table1_page, table2_page

WRITERS = {"table1": table1_page, "table2": table2_page, "rate": rate_page}


def filled(page: str, folder: Path) -> str:
    """The page with fresh tables."""
    for name, writer in WRITERS.items():
        source = folder / f"{name}.json"
        text = writer(json.loads(source.read_text(encoding="utf-8"))) if source.is_file() else "Not measured yet.\n"
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
        page, count = pattern.subn(lambda found, text=text: f"{found[1]}\n{text}\n{found[2]}", page)
        if count != 1:
            sys.exit(f"The page has {count} places for {name}, expected one.")
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1])
    write_whole(path, filled(path.read_text(encoding="utf-8"), Path(sys.argv[2])))
