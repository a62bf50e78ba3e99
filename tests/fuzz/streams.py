"""Prepared datasets, pipes and lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.dataset.open import DATASET_FILE, DATASET_FORMAT, VERSION, ShotFacts, open_dataset
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.placement import Bends
from invisp_deploy.dataset.registration import Registration
from invisp_deploy.rendering.options import Explicit
from invisp_deploy.sensor.companding import companding_points
from invisp_deploy.sensor.first_frame import FrameCheck
from invisp_deploy.sensor.layouts import LAYOUTS, layout_named
from invisp_deploy.streaming.pipe_format import PipeFormat, pipe_size
from invisp_deploy.streaming.sources import listed_names
from tests.formats.test_metadata import SAID
from tests.fuzz.mutate import of_bytes, of_json
from tests.fuzz.pictures import record
from tests.fuzz.target import Target


def dataset(data: bytes, folder: Path) -> None:
    """Facts and recipes; the mosaics and pictures of the files are not there."""
    (folder / DATASET_FILE).write_bytes(data)
    found = open_dataset(folder)
    _ = (found.camera, found.quality, found.subsampling)
    for shot in found.train + found.test:
        shot.recipe(UNIVERSAL)


def _datasets() -> Sequence[bytes]:
    sizes = {"raw_bytes": 100, "jpeg_bytes": 100, "mosaic_bytes": 100, "jpeg_crc": 7, "height": 48, "width": 64}
    facts = [
        ShotFacts(name, f"raws/{name}.dng", False, **sizes, brightest=(900,) * 4, frame=record().facts, metadata=SAID)
        for name in ("a", "b")
    ]
    bends = Bends((23.5, 31.5), (0.0, 0.1), (-2.0, 3.0, 0.0, 0.5), (0.1, 0.0))
    lies = Registration(2, (-5.0, 1.0007), (-9.0, 1.0005), bends, 0.04, 48, 48)
    facts[1] = replace(facts[1], registration=lies, picture_bytes=90, top=8, left=12)
    files = [{**each.to_dict(), "split": split} for each, split in zip(facts, ("train", "test"), strict=True)]
    options = PrepareOptions().to_dict()
    told = {"format": DATASET_FORMAT, "version": VERSION, "options": options, "files": files, "refused": []}
    return [json.dumps(told).encode()]


def pipe(data: bytes, folder: Path) -> None:
    """A size in words, then the bytes of a frame of another, of every depth."""
    pipe_size(data[:12].decode("latin-1"))


def frame(data: bytes, folder: Path) -> None:
    """Eight rows of eight or so pixels, in the layout and with the padding that the first bytes choose."""
    first, padding, width, black = (*data[:4], 0, 0, 0, 0)[:4]
    layout = [*LAYOUTS.values()][first % len(LAYOUTS)]
    values = Explicit(
        black=float(black),
        cfa=layout.cfa or "RGGB",
        white_balance=(2, 1, 1.5),
        color_matrix=record().facts.color_matrix,
    )
    curve = companding_points("0:0,255:1023") if layout.table else None
    width = 2 + width % 64
    pipe = PipeFormat(width, 8, layout, values, "", layout.row_bytes(width) + padding % 32, curve)
    pipe.mosaic(bytearray(data[4:].ljust(pipe.frame_bytes, b"\0")[: pipe.frame_bytes]), "frame 1").recipe(UNIVERSAL)


def first(data: bytes, folder: Path) -> None:
    """A first frame and a second one, of the bytes over and over."""
    number, width, padding = (*data[:3], 0, 0, 0)[:3]
    layout = [*LAYOUTS.values()][number % len(LAYOUTS)]
    width = 32 + width % 64
    stride = layout.row_bytes(width) + padding % 8
    body = (data[3:] or b"\0") * (2 * 64 * stride // max(len(data) - 3, 1) + 1)
    check = FrameCheck(layout, width, 64, stride)
    for begin in (0, 64 * stride):
        check.check(body[begin : begin + 64 * stride], "frame 1")


def layout(data: bytes, folder: Path) -> None:
    """A name of a layout, and points of a curve."""
    name, _, points = data.decode("latin-1").partition(" ")
    assert layout_named(name).row_bytes(8) > 0
    companding_points(points)


def names(data: bytes, folder: Path) -> None:
    found = listed_names(data)
    assert len(found) <= data.count(b"\n") + data.count(b"\0") + 1


def _frames() -> Sequence[bytes]:
    return [
        bytes([number, 3, 6, 0]) + bytes(place * 37 % 256 for place in range(200)) for number in range(len(LAYOUTS))
    ]


TARGETS = (
    Target("dataset", _datasets, dataset, of_json, 3),
    Target("size of a pipe's frames", lambda: [b"3520x2344", b" 2x2\n", b"65536X2"], pipe, of_bytes, 10),
    Target("frame of a pipe", _frames, frame, of_bytes, 6),
    Target("first frame of a pipe", lambda: _frames()[::16], first, of_bytes, 0.25),
    Target("layout of a pipe's frames", lambda: [b"pRCC 0:0,512:512,4095:65535", b"Y10 0:0,1:1"], layout, of_bytes, 10),
    Target("list of files", lambda: ["a.dng\nb é.dng\r\n\n".encode(), b"\xff\n" * 20], names, of_bytes, 8),
)
