"""How this package was installed, for messages that say what to type: it is on no index, so its name alone installs
nothing.
"""

from __future__ import annotations

import json
import re
import shlex
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

NAME = "invisp-deploy"


def install_line(extras: str = "", *, again: bool = False) -> str:
    """The pip command that adds extras (`train`, or several with commas) to this very installation.

    It names what pip once installed from: a folder, editable or not, a wheel, a repository. A checkout that runs in
    place is installed as it lies. Where neither is known, the packages of the extras are named instead. again: for
    `pip install --force-reinstall`.

    >>> install_line("train")  # in a checkout that was installed with `pip install -e .`
    "pip install -e '/home/me/invisp-deploy[train]'"
    """
    try:
        found: Distribution | None = distribution(NAME)
    except PackageNotFoundError:
        found = None
    force = "--force-reinstall " if again else ""
    return f"pip install {force}{_origin(found, extras) or _requirements(found, extras)}"


def _origin(found: Distribution | None, extras: str) -> str:
    """What comes after `pip install`; empty where it is not known, or no longer there."""
    bracket = f"[{extras}]" if extras else ""
    data = json.loads((found and found.read_text("direct_url.json")) or "{}")
    url = str(data.get("url", ""))
    if vcs := data.get("vcs_info"):
        return shlex.quote(f"{NAME}{bracket} @ {vcs['vcs']}+{url}@{vcs.get('requested_revision', vcs['commit_id'])}")
    if url.startswith("file:"):
        path = Path(unquote(urlsplit(url).path))
        editable = "-e " if data.get("dir_info", {}).get("editable") else ""
        return f"{editable}{shlex.quote(str(path) + bracket)}" if path.exists() else ""
    if url:
        return shlex.quote(f"{NAME}{bracket} @ {url}")
    checkout = Path(__file__).parents[1]
    return f"-e {shlex.quote(str(checkout) + bracket)}" if (checkout / "setup.cfg").is_file() else ""


def _requirements(found: Distribution | None, extras: str) -> str:
    """The requirements of the extras, those of this package among them followed; without extras those of the base."""
    wanted, asked, needs = extras.split(","), set[str](), list[str]()
    while wanted:
        extra = wanted.pop()
        asked.add(extra)
        for line in (found and found.requires) or []:
            need, _, marker = (part.strip() for part in line.partition(";"))
            if extra not in (re.findall(r"extra == ['\"]([^'\"]+)", marker) or [""]):
                continue
            if inner := re.fullmatch(rf"{NAME}\[(.*)\]", need):
                wanted += [name for name in inner[1].split(",") if name not in asked]
            elif need not in needs:
                needs.append(need)
    return " ".join(map(shlex.quote, sorted(needs)))
