"""RAW files: through LibRaw, and what we read of them ourselves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.dng_tags import (
    active_area,
    black_levels,
    is_linearized,
    pattern_size,
    read_dng_tags,
    stated_orientation,
)
from invisp_deploy.formats.metadata import Metadata
from invisp_deploy.formats.negative import Negative
from invisp_deploy.formats.picture_tags import fitting_jpeg, of_picture
from invisp_deploy.formats.picture_tags import of_tiff as tiff_tags
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.raw_metadata import metadata_of
from invisp_deploy.formats.undecoded import undecoded_kind
from invisp_deploy.formats.xmp import without_places
from tests.formats.test_metadata import SAID
from tests.formats.test_raw_metadata import KINDS
from tests.fuzz.mutate import of_tiff
from tests.fuzz.target import Target

DATA = Path(__file__).parent.parent / "data"


@lru_cache(maxsize=1)
def small_files() -> list[bytes]:
    """DNGs of 128x128 pixels, and an ORF."""
    return [path.read_bytes() for path in sorted((DATA / "cases").glob("*.[do][nr][gf]"))]


@lru_cache(maxsize=1)
def heads() -> list[bytes]:
    """RAF, MRW, CR3, ORF, NEF without pixels; CRW."""
    return [*(head(SAID) for head in KINDS.values()), *(path.read_bytes() for path in sorted(DATA.glob("crw/*.crw")))]


@lru_cache(maxsize=1)
def samples() -> list[bytes]:
    """The beginnings of a CR2 and of a CRW, with everything but most of the pixels."""
    found = []
    for path in sorted((DATA.parent.parent / "samples").glob("*.[cC][rR]*")):
        with path.open("rb") as stream:
            found.append(stream.read(1 << 17))
    return found


def beginning(data: bytes, folder: Path) -> None:
    """Most of it is refused for the missing pixels: what is read before that is the point."""
    head(data, folder)
    tags(data, folder)
    raw(data, folder)


def raw(data: bytes, folder: Path) -> None:
    """A frame is written as a DNG, and that one is read."""
    frame = read_raw(_file(data, folder), max_pixels=20)
    written = folder / "written.dng"
    write_dng(written, frame)
    read_raw(written, max_pixels=20)


def tags(data: bytes, folder: Path) -> None:
    path = _file(data, folder)
    undecoded_kind(path)
    stated_orientation(path)
    found = read_dng_tags(path)
    for image in () if found is None else found.images:
        active_area(image, (128, 128))
        is_linearized(image)
        pattern_size(image)
        negative = Negative.of({**found.camera, **image}, 128, 128) if found else Negative()
        for one in (negative, negative.within(4096)[0], negative.without_colours()):
            if one:
                assert Negative.from_bytes(one.to_bytes(), "it", 128, 128) == one
        black_levels(image)


def head(data: bytes, folder: Path) -> None:
    found = metadata_of(_file(data, folder), lambda: data[:2000])
    _said(found)


def preview(data: bytes, folder: Path) -> None:
    _said(metadata_of(_file(b"of no kind", folder), lambda: data))


def xmp(data: bytes, folder: Path) -> None:
    left = without_places(data)
    assert len(left) <= len(data)
    assert without_places(left) == left


def negative(data: bytes, folder: Path) -> None:
    found = Negative.from_bytes(data, "it", 128, 128)
    assert Negative.from_bytes(found.to_bytes(), "it", 128, 128) == found or not found


def _said(found: Metadata) -> None:
    _ = (found.make, found.model, found.made_from_photograph)
    assert Metadata.from_bytes(found.to_bytes()) == found
    named = found.named("A", "B").without_location()
    fitting_jpeg(of_picture(named, 1, 8, 8))
    tiff_tags(named)


def _file(data: bytes, folder: Path) -> Path:
    path = folder / "a.raw"
    path.write_bytes(data)
    return path


def _packets() -> Sequence[bytes]:
    words = b'<rdf:Description exif:GPSLatitude="1,2N" xmp:Rating="5"><photoshop:City>A</photoshop:City>'
    return [
        SAID.xmp,
        words + b"<Iptc4xmpExt:LocationCreated><rdf:Bag/></Iptc4xmpExt:LocationCreated></rdf:Description>",
    ]


@lru_cache(maxsize=1)
def negatives() -> Sequence[bytes]:
    """Layers of the negatives of the small DNGs."""
    found = []
    for path in sorted((DATA / "cases").glob("*.dng")):
        read = read_dng_tags(path)
        if read is not None and read.images:
            found.append(Negative.of({**read.camera, **read.images[0]}, 128, 128).to_bytes())
    return found


def _inflated(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    import zlib

    if rng.random() < 0.1:
        return of_tiff(data, others, rng)
    plain = [zlib.decompress(other) for other in others]
    return zlib.compress(of_tiff(zlib.decompress(data), plain, rng), 1)


TARGETS = (
    Target("RAW file", small_files, raw, of_tiff, 0.6),
    Target("beginnings of CR2 and CRW", samples, beginning, of_tiff, 0.6),
    Target("DNG tags", small_files, tags, of_tiff, 2),
    Target("heads of RAW files", heads, head, of_tiff, 4),
    Target("preview's metadata", lambda: [KINDS["raf"](SAID)[160:]], preview, share=2),
    Target("XMP packet", _packets, xmp, share=10),
    Target("negative", negatives, negative, _inflated, 8),
)
