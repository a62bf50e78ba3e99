"""Pictures with their way back, as each format holds it; the layers and the record by themselves."""

from __future__ import annotations

import json
import random
import struct
import tempfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats import jpeg
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.jpeg import written_by_pillow
from invisp_deploy.formats.layers import from_packets, to_packets
from invisp_deploy.formats.negative import NEGATIVE_LAYER, Negative
from invisp_deploy.formats.picture import Picture, carried_record, read_picture, write_picture
from invisp_deploy.formats.record import LAYER, Record
from invisp_deploy.isp.frame import FrameFacts
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.rendering.show import facts_of_file
from tests.formats.test_metadata import SAID
from tests.fuzz.mutate import of_bytes, of_json, of_png, of_tiff
from tests.fuzz.raws import DATA, negatives
from tests.fuzz.target import Target

_MATRIX = ((0.7, -0.1, 0.0), (-0.4, 1.2, 0.2), (0.0, 0.1, 0.6))
_SIZE = (48, 64)


def record() -> Record:
    """Of a JPEG of 64x48 pixels at quality 90."""
    facts = FrameFacts("RGGB", (128.0,) * 4, 3398, (2.0, 1.0, 1.5), 6, _MATRIX, "Canon", "Canon EOS 30D")
    recipe = Recipe("RGGB", (128.0,) * 4, 3398.0, (2.0, 1.0, 1.5), "bt709", _MATRIX)
    return Record("ab" * 32, "fp32", facts, recipe, *_SIZE, quality=90, subsampling="4:2:2", digest="cd" * 32)


@lru_cache(maxsize=4)
def rendered(name: str) -> bytes:
    """A picture as it is written under that name, with a record, a negative and metadata."""
    kind = np.uint16 if name.endswith(".tif") else np.uint8
    pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (*_SIZE, 3), kind, True)
    gain_map = GainMap(written_by_pillow(90, "4:4:4"), 33)
    picture = Picture(pixels, record(), SAID, {NEGATIVE_LAYER: negatives()[0]}, gain_map=gain_map)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_picture(path, picture)
        return path.read_bytes()


def picture(name: str, data: bytes, folder: Path) -> None:
    """All that is asked of a picture, whether it can be taken back or not."""
    path = folder / name
    path.write_bytes(data)
    try:
        facts_of_file(path, 20)
        carried_record(path, 20)
        read_picture(path, max_pixels=20)
    except ImageFileError:
        read_picture(path, force=True, max_pixels=20)
        raise


def way_back(data: bytes, folder: Path) -> None:
    """What a record says goes to the graph, and into a DNG."""
    found = Record.from_bytes(data, "it")
    found.recipe.numbers()
    if found.height * found.width <= 1 << 14:
        mosaic = found.alignment.inverse(np.zeros((found.height, found.width), np.uint16))
        write_dng(folder / "a.dng", RawFrame.of(found.facts, np.ascontiguousarray(mosaic)))
    found.to_bytes()


def layers(data: bytes, folder: Path) -> None:
    whole, _ = from_packets(_split(data))
    for name, layer in whole.items():
        if name == NEGATIVE_LAYER:
            Negative.from_bytes(layer, "it", *_SIZE)
    assert from_packets(to_packets(whole, 65000))[0] == whole


def _split(data: bytes) -> Sequence[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return found


def _joined() -> Sequence[bytes]:
    carried = {LAYER: record().to_bytes(), NEGATIVE_LAYER: negatives()[0]}
    packets = [list(to_packets(carried, most)) for most in (65000, 120)]
    return [b"".join(struct.pack(">H", len(packet)) + packet for packet in each) for each in packets]


def _jpegs() -> Sequence[bytes]:
    others = (path.read_bytes() for path in sorted((DATA / "coded_again").glob("[mopr]*.jpg")))
    return [rendered("a.jpg"), rendered("a.jpg"), rendered("a.jpg"), *others]


def _with_record(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Changes of bytes, or another record, whose packets are right, in front of the picture's."""
    if rng.random() < 0.6:
        return of_bytes(data, others, rng)
    packets = to_packets({LAYER: of_record(record().to_bytes(), (), rng)}, jpeg.MOST_PACKET)
    plain = data.replace(b"InvISP\0", b"InvISQ\0")
    return b"".join(map(bytes, jpeg.with_packets(plain, packets)))


def of_record(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Other values in the JSON that is compressed, now and then other bytes."""
    if rng.random() < 0.05:
        return of_bytes(data, [data], rng)
    text = zlib.decompress(data)
    return zlib.compress(of_json(text, [text], rng), 1)


def _records() -> Sequence[bytes]:
    plain = json.loads(zlib.decompress(record().to_bytes()))
    bare = {**plain, "facts": {**plain["facts"], "gains": None, "color_matrix": None}, "quality": 0, "subsampling": ""}
    return [record().to_bytes(), zlib.compress(json.dumps(bare).encode())]


TARGETS = (
    Target("JPEG", _jpegs, lambda data, folder: picture("a.jpg", data, folder), _with_record, 0.6),
    Target("PNG", lambda: [rendered("a.png")], lambda data, folder: picture("a.png", data, folder), of_png, 0.8),
    Target("TIFF", lambda: [rendered("a.tif")], lambda data, folder: picture("a.tif", data, folder), of_tiff, 0.8),
    Target("record", _records, way_back, of_record, 6),
    Target("layers", _joined, layers, share=12),
)
