"""Metadata of RAW files by their heads."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from invisp_deploy.formats.ifd import shorts, text, tiff_of
from invisp_deploy.formats.metadata import MODEL, NONE, SOFTWARE, Metadata
from invisp_deploy.formats.raw_metadata import metadata_of, read_jpeg
from tests.formats.test_metadata import SAID

CASES = Path(__file__).parent.parent / "data" / "cases"


def jpeg(said: Metadata = SAID) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=b"Exif\0\0" + said.exif_block(), xmp=said.xmp)
    return stream.getvalue()


def no_preview() -> bytes:
    pytest.fail("its head says all")


def raf(said: Metadata) -> bytes:
    """Fujifilm: magic, version, camera, then big-endian place and length of a JPEG."""
    head = (b"FUJIFILMCCD-RAW 0201FF000000" + b"Camera".ljust(32, b"\0")).ljust(84, b"\0")
    return (head + struct.pack(">II", 160, len(jpeg(said)))).ljust(160, b"\0") + jpeg(said)


def mrw(said: Metadata) -> bytes:
    """Minolta: a block of blocks, of which TTW is a TIFF."""
    tiff = said.exif_block()
    blocks = b"\0PRD" + struct.pack(">I", 24) + bytes(24) + b"\0TTW" + struct.pack(">I", len(tiff)) + tiff
    return b"\0MRM" + struct.pack(">I", len(blocks)) + blocks + bytes(100)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def cr3(said: Metadata) -> bytes:
    """Canon: ftyp, then in moov, in a uuid of Canon's, a TIFF for each directory; the packet in another uuid."""
    parts = ((b"CMT1", said.ifd0), (b"CMT2", said.exif), (b"CMT3", {}), (b"CMT4", said.gps))
    canon = b"".join(box(kind, tiff_of(directory, ())) for kind, directory in parts)
    uuid = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    moov = box(b"moov", box(b"uuid", uuid + box(b"CNCV", b"CanonCR3") + canon) + box(b"mvhd", bytes(100)))
    packet = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + said.xmp)
    large = struct.pack(">I", 1) + b"free" + struct.pack(">Q", 16 + 40) + bytes(40)
    return box(b"ftyp", b"crx \0\0\0\1crx isom") + large + moov + packet + bytes(4) + b"mdat" + bytes(100)


KINDS: dict[str, Callable[[Metadata], bytes]] = {
    "raf": raf,
    "mrw": mrw,
    "cr3": cr3,
    "orf": lambda said: b"IIRO" + said.to_bytes()[4:],
    "nef": Metadata.to_bytes,
}
"""The smallest heads of that kind. ExifTool reads the same of each; `make test-clients` asks it."""


def test_files_that_are_no_tiff_give_their_previews_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"of no kind" + bytes(1000))
    assert metadata_of(path, jpeg) == SAID


def test_an_orf_says_what_exiftool_reads_of_it() -> None:
    """Its preview has no Exif, so LibRaw would make one up."""
    found = metadata_of(CASES / "olympus_magic.orf", no_preview)
    assert (found.make, found.model) == ("Canon", "Canon EOS 30D")
    assert found.exif[0x9003].text == "2026:05:04 03:02:01"
    assert (found.exif[0x9011].text, found.exif[0xA434].text) == ("+02:00", "50mm test")
    assert [found.exif[tag].numbers for tag in (0x829A, 0x829D, 0x8827, 0x920A)] == [(0.01,), (2.8,), (200,), (50,)]


def test_a_phones_exposure_stands_in_exifs_directory() -> None:
    found = metadata_of(CASES / "ifd0_exposure.dng", no_preview)
    assert found.exif[0x9003].text == "2026:05:04 03:02:01"
    assert [found.exif[tag].numbers for tag in (0x829A, 0x829D, 0x8827, 0x920A)] == [(0.004,), (1.8,), (400,), (4.38,)]


def test_a_header_that_libraw_made_up_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"of no kind" + bytes(1000))
    made_up = replace(SAID, ifd0={**SAID.ifd0, SOFTWARE: text("dcraw v9.26")})
    assert metadata_of(path, lambda: jpeg(made_up)) == NONE


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_of_file_says_what_its_head_does(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{name}"
    path.write_bytes(KINDS[name](SAID))
    found = metadata_of(path, no_preview)
    assert (found.ifd0, found.exif, found.gps) == (SAID.ifd0, SAID.exif, SAID.gps)
    assert found.xmp == (b"" if name == "mrw" else SAID.xmp)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_head_that_ends_anywhere_costs_no_more_than_itself(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{name}"
    whole = KINDS[name](SAID)
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        found = metadata_of(path)
        assert found.exif.items() <= SAID.exif.items()
        assert found.ifd0.items() <= SAID.ifd0.items()


def test_boxes_and_blocks_that_point_back_end(tmp_path: Path) -> None:
    for name, data in (
        ("cr3", bytes(4) + b"ftypcrx " + bytes(100)),
        ("cr3", b"\0\0\0\x18ftypcrx " + bytes(8) + b"\0\0\0\1moov" + bytes(100)),
        ("mrw", b"\0MRM" + bytes(100)),
        ("raf", b"FUJIFILMCCD-RAW ".ljust(84) + b"\0\0\0\x58\xff\xd8" + b"\xff\xe0\0\0" * 5000),
    ):
        path = tmp_path / f"a.{name}"
        path.write_bytes(data)
        assert metadata_of(path) == NONE


def test_what_panasonic_keeps_in_a_preview_alone_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.rw2"
    path.write_bytes(b"IIU\0" + Metadata({**SAID.ifd0, MODEL: text("DMC-LX3")}, {0x8827: shorts(80)}).to_bytes()[4:])
    found = metadata_of(path, jpeg)
    assert (found.make, found.model, found.exif) == ("Canon", "DMC-LX3", {**SAID.exif, 0x8827: shorts(80)})
    assert (found.gps, found.xmp) == (SAID.gps, SAID.xmp)


@pytest.mark.parametrize("preview", [b"", b"no picture", b"\xff\xd8\xff\xe1\x00\x10Exif", b"\xff\xd8\xff\xe1\0\0"])
def test_files_without_any_give_nothing(preview: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"of no kind" + bytes(1000))
    assert metadata_of(path, lambda: preview) == NONE
    assert read_jpeg(io.BytesIO(preview)) == NONE
