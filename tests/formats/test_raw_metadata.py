"""Metadata of RAW files by their heads."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from invisp_deploy.formats.metadata import NONE
from invisp_deploy.formats.raw_metadata import metadata_of, read_jpeg
from tests.formats.test_metadata import SAID


def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=b"Exif\0\0" + SAID.exif_block(), xmp=SAID.xmp)
    return stream.getvalue()


def test_files_that_are_no_tiff_give_their_previews_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.raf"
    path.write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(1000))
    assert metadata_of(path, jpeg()) == SAID


@pytest.mark.parametrize("preview", [b"", b"no picture", b"\xff\xd8\xff\xe1\x00\x10Exif", b"\xff\xd8\xff\xe1\0\0"])
def test_files_without_any_give_nothing(preview: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.raf"
    path.write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(1000))
    assert metadata_of(path, preview) == NONE
    assert read_jpeg(io.BytesIO(preview)) == NONE
