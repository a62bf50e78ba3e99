"""The tables of docs/applications.md: `applications.py PAGE [RETOUCHED [LIGHT]]`.

RETOUCHED and LIGHT are folders as `invisp research retouch` and `invisp research hdr` leave them: their figures go to
measured/retouch.json and measured/hdr.json beside PAGE, one line each, and the sheets of PICTURED to images/. Then
what these two files say stands between the marks of PAGE.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from invisp_deploy.files import write_whole
from invisp_deploy.report.reconstruction import reconstruction_page
from invisp_deploy.report.retouch import retouch_page

PICTURED = "nikon_d5000_hdrmerge_sample3.png"
"""Of a photograph that may be shown (HDRMerge's tests)."""

TABLES = {"retouch": retouch_page, "hdr": reconstruction_page}
IMAGES = {"retouch": "retouch.png", "hdr": "light.png"}


def main() -> None:
    page, *folders = map(Path, sys.argv[1:])
    for name, folder in zip(TABLES, folders, strict=False):
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        write_whole(page.parent / "measured" / f"{name}.json", json.dumps(facts, separators=(",", ":")) + "\n")
        write_whole(page.parent / "images" / IMAGES[name], (folder / PICTURED).read_bytes())
    text = page.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        facts = json.loads((page.parent / "measured" / f"{name}.json").read_text(encoding="utf-8"))
        start, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, _, rest = text.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            sys.exit(f"The page has no place for {name}: {start.strip()} and {end}.")
        text = before + start + table(facts) + "\n" + end + after
    write_whole(page, text)


if __name__ == "__main__":
    main()
