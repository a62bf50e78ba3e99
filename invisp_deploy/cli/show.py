"""`invisp show`: what pictures carry, and what RAW files state."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, say_error, sentence
from invisp_deploy.cli.options import PATH, json_option, max_pixels_option
from invisp_deploy.errors import InvispError


@click.command("show", cls=InvispCommand)
@click.argument("files", nargs=-1, required=True, type=PATH)
@max_pixels_option
@json_option
def show_command(files: tuple[Path, ...], max_pixels: float, as_json: bool) -> None:
    """Say what a picture carries of its way back and whether its pixels are those that were rendered; of a RAW file,
    what it states. Changes nothing, and exits with 1 only if a file could not be read.
    """
    from invisp_deploy.rendering.show import facts_of_file

    rows: list[dict[str, Any]] = []
    for path in files:
        try:
            rows.append({"input": str(path), "ok": True, **facts_of_file(path, max_pixels)})
        except InvispError as error:
            rows.append({"input": str(path), "ok": False, "error": sentence(error)})
            if not as_json:
                say_error(error)
            continue
        if not as_json:
            for line in _lines(rows[-1]):
                click.echo(line)
    if as_json:
        print_json({"files": rows, "failed": sum(not row["ok"] for row in rows)})
    if not all(row["ok"] for row in rows):
        sys.exit(1)


def _lines(row: dict[str, Any]) -> Iterator[str]:
    size = f"{row['width']}x{row['height']}"
    if row["kind"] == "raw":
        yield f"{row['input']}: RAW, {size}, {row['bytes']:,} bytes"
        yield from _facts(row)
        if row["negative_bytes"]:
            yield f"  development  {row['negative_bytes']:,} bytes of a DNG's tags"
    else:
        coded = [row["format"], size, f"{row['bits']} bits"]
        coded += [f"quality {row['quality']}"] if row["quality"] else []
        coded += [row["subsampling"]] if row["subsampling"] else []
        yield f"{row['input']}: {', '.join(coded)}, {row['bytes']:,} bytes"
        yield from _way_back(row)
        for name, layer in row["layers"].items():
            yield f"  layer        {name}, {layer['bytes']:,} bytes ({layer['share']:.2%} of the file)"
        if gain := row["gain_map"]:
            yield f"  gain map     {gain['width']}x{gain['height']}, {gain['bytes']:,} bytes, {gain['stops']:g} stops"
        for name, why in row["damaged_layers"].items():
            yield f"  layer        {name or 'without a name'}, damaged: {why}"
    metadata = row["metadata"]
    said = [f"{metadata['entries']} entries"]
    said += [f"{metadata['xmp_bytes']:,} bytes of XMP"] if metadata["xmp_bytes"] else []
    said += ["with a place" if metadata["location"] else "without a place"]
    yield f"  metadata     {', '.join(said)}"
    for note in row.get("notes", ()):
        yield f"  note         {note}"


def _way_back(row: dict[str, Any]) -> Iterator[str]:
    found = row["way_back"]
    if found is None:
        yield f"  way back     {sentence(row['fault']) or 'none'}"
        return
    model = found["model"] or "no shipped model"
    yield f"  way back     of {model}, weights {found['weights'][:12]}, {found['precision']}"
    yield f"  untouched    {'yes' if row['untouched'] else 'no: ' + sentence(row['fault'])}"
    if row["raw_by"]:
        yield f"  RAW          comes back by {row['raw_by']}"
    yield from _facts(found)


def _facts(facts: dict[str, Any]) -> Iterator[str]:
    black = " ".join(f"{value:g}" for value in facts["black"])
    gains = "none" if facts["gains"] is None else " ".join(f"{value:g}" for value in facts["gains"])
    yield f"  camera       {facts['camera'] or 'not named'}, {facts['cfa']}, orientation {facts['orientation']}"
    yield f"  levels       black {black}, white {facts['white']}; gains of R, G, B {gains}"
