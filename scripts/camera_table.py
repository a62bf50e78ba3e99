"""The table of cameras that made RAW files are of: published colour matrices, levels and noise.

    apt-get download darktable && dpkg -x darktable_*.deb unpacked
    python scripts/camera_table.py unpacked/usr/share/darktable invisp_deploy/training/cameras.json

Facts alone are taken: the numbers of RawSpeed's `cameras.xml` (XYZ D65 -> camera, times 10,000; black and white, DN)
and of darktable's `noiseprofiles.json` (variance = a x + b of the green of a demosaiced picture, x in [0, 1] above
black), at full stops of ISO. One camera for every matrix, Bayer sensors of three colours only. Cameras that models are
judged on are left out, and so is every other camera that has the matrix of one of them.
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from invisp_deploy.files import write_whole

JUDGED = re.compile(
    r"gopro|sony|blackmagic|kodak|google|raspberry|nikon (d5000|d700)$|canon eos (30d|d30|5d|6d|550d)$"
    r"|kiss x4|rebel t2i|powershot (g[1-6]|s[3-8][05]|pro1|pro90 is)$",
    re.IGNORECASE,
)
STOPS = (50, 100, 200, 400, 800, 1600, 3200, 6400, 12800)
SOURCE = "numbers of RawSpeed's cameras.xml (LGPL-2+) and darktable's noiseprofiles.json (GPL-3+), Debian 4.2.1-4"


def main() -> None:
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    noise = profiles(json.loads((folder / "noiseprofiles.json").read_text(encoding="utf-8")))
    entries = list(ElementTree.parse(folder / "rawspeed/cameras.xml").getroot())
    taken = {tuple(matrix(entry)) for entry in entries if JUDGED.search(name(entry))}
    cameras = [
        {"name": name(entry), "matrix": matrix(entry), **levels(entry)}
        for entry in entries
        if bayer(entry) and levels(entry)
    ]
    table = []
    # those with a noise profile first, then the mode with most bits: the first of a matrix stands for it
    for each in sorted(cameras, key=lambda each: (each["name"] not in noise, -each["white"], each["name"])):
        if len(each["matrix"]) == 9 and tuple(each["matrix"]) not in taken:
            taken.add(tuple(each["matrix"]))
            table.append({**each, "noise": noise.get(each["name"], [])})
    rows = ",\n".join(json.dumps(each, separators=(",", ":")) for each in sorted(table, key=lambda row: row["name"]))
    write_whole(output, f'{{"source":{json.dumps(SOURCE)},\n"cameras":[\n{rows}\n]}}\n')
    print(f"{len(table)} cameras, {sum(bool(each['noise']) for each in table)} with noise")


def name(entry: ElementTree.Element) -> str:
    """Make and model as RawSpeed spells them, where it does."""
    known = entry.find("ID")
    named = entry if known is None else known
    return f"{named.get('make')} {named.get('model')}"


def matrix(entry: ElementTree.Element) -> list[int]:
    """Nine numbers, row by row; another count for sensors of other than three colours, none where it is not known."""
    rows = entry.findall("ColorMatrices/ColorMatrix/ColorMatrixRow")
    return [int(value) for row in rows for value in (row.text or "").split()]


def bayer(entry: ElementTree.Element) -> bool:
    """Whether it is no X-Trans and no sensor of four colours. Where the table has no pattern, files state theirs."""
    cfa = entry.find("CFA")
    known = cfa is None or sorted(site.text or "" for site in cfa) == ["BLUE", "GREEN", "GREEN", "RED"]
    return known and entry.find("CFA2") is None


def levels(entry: ElementTree.Element) -> dict[str, int]:
    """Black and white, DN; nothing where one is not known."""
    sensor = entry.find("Sensor")
    black, white = (-1, -1) if sensor is None else (int(sensor.get("black", -1)), int(sensor.get("white", -1)))
    return {"black": black, "white": white} if 0 <= black < white <= 65535 else {}


def profiles(data: dict[str, Any]) -> dict[str, list[list[float]]]:
    """[ISO, a, b] at full stops by the camera's name; a negative b (the fit of a straight line) counts as none."""
    found = {}
    for maker in data["noiseprofiles"]:
        for model in maker["models"]:
            rows = {each["iso"]: (each["a"][1], max(each["b"][1], 0)) for each in model["profiles"]}
            stops = [[iso, *(float(f"{value:.3g}") for value in rows[iso])] for iso in STOPS if iso in rows]
            found[f"{maker['maker']} {model['model']}"] = [stop for stop in stops if stop[1] > 0]
    return found


if __name__ == "__main__":
    main()
