"""Part of a JPEG: the restart segments that a window touches, decoded as a small JPEG of their own.

::

    header | segment 0  RST0  segment 1  RST1 ... segment n | EOI

    each segment is `interval` MCUs of one MCU row; after a restart marker nothing depends on what came before,
    so any rectangle of segments is a JPEG once the header says its size and the markers count from 0 again.

The decoder interpolates chroma between neighbours (libjpeg's "fancy upsampling"), so where chroma is subsampled the
rectangle is one segment larger on each side and the rest is cut off: equal to the whole decoded picture, to the bit.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import DatasetError
from invisp_deploy.isp.develop import Window

_SEGMENT: Final = 10
"""MCUs that a segment aims at: 160 pixels with 4:2:2. Each costs 2 to 4 bytes, a narrow one is decoded sooner."""

_NARROWEST: Final = 4


def jpeg_with_restarts(pixels: npt.NDArray[np.uint8], quality: int, subsampling: str) -> bytes:
    """(H, W, 3) uint8 -> a JPEG by Pillow with restart markers that split every MCU row into equal segments.

    Pixels decode to what they would without markers. Raises DatasetError for a picture that JPEG cannot hold.
    """
    from PIL import Image

    row = -(-pixels.shape[1] // (8 if subsampling == "4:4:4" else 16))
    widths = [width for width in range(_NARROWEST, row) if row % width == 0] + [row]
    width = min(widths, key=lambda width: abs(math.log(width / _SEGMENT)))
    stream = io.BytesIO()
    try:
        Image.fromarray(pixels).save(
            stream, "JPEG", quality=quality, subsampling=subsampling, restart_marker_blocks=width
        )
    except (OSError, ValueError) as error:
        raise DatasetError(f"A picture of {pixels.shape[1]}x{pixels.shape[0]} is no JPEG: {error}.") from error
    return stream.getvalue()


@dataclass(frozen=True)
class StripJpeg:
    """Where the segments of one file lie.

    header: everything up to the first segment; size_at: offset of the height, then the width, in it.
    mcu: rows and columns of pixels of an MCU; interval: MCUs in a segment; starts: offset of each segment, and of
    what follows the last one plus 2, so that segment i is `starts[i]` to `starts[i + 1] - 2`.
    """

    path: Path
    header: bytes
    size_at: int
    height: int
    width: int
    mcu: tuple[int, int]
    interval: int
    starts: npt.NDArray[np.int64]

    @classmethod
    def index(cls, path: Path, crc: int | None = None) -> StripJpeg:
        """Read the whole file once to find its segments, and compare its CRC-32 where one is given.

        Raises DatasetError for a file that is missing, damaged, or not split as `jpeg_with_restarts` splits.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DatasetError(f"{path} could not be read: {error.strerror or error}.") from error
        if crc is not None and zlib.crc32(data) != crc:
            raise _damaged(path)
        try:
            return cls._of(path, data)
        except (struct.error, IndexError, ValueError) as error:
            raise _damaged(path) from error

    @classmethod
    def _of(cls, path: Path, data: bytes) -> StripJpeg:
        size_at = interval = scan = 0
        for marker, start, end in _header_segments(data):
            if marker in (0xC0, 0xC1):
                size_at = start + 1
            elif marker == 0xDD:
                (interval,) = struct.unpack_from(">H", data, start)
            elif marker == 0xDA:
                scan = end
        if not size_at or not interval:
            raise ValueError("progressive, or without restart markers")
        height, width = struct.unpack_from(">HH", data, size_at)
        sampling = data[size_at + 6]  # of luma; chroma has 1x1 in what we write
        mcu = (8 * (sampling & 15), 8 * (sampling >> 4))
        array = np.frombuffer(data, np.uint8)
        found = scan + np.flatnonzero(array[scan:-1] == 0xFF)
        follows = array[found + 1]
        starts = np.concatenate(([scan], found[follows & 0xF8 == 0xD0] + 2, found[follows == 0xD9][:1] + 2))
        row = -(-width // mcu[1])
        if row % interval or len(starts) != -(-height // mcu[0]) * (row // interval) + 1:
            raise ValueError("segments are missing")
        return cls(path, data[:scan], size_at, height, width, mcu, interval, starts.astype(np.int64))

    def pixels(self, window: Window) -> npt.NDArray[np.uint8]:
        """(h, w, 3) uint8 of a window inside the picture, equal to that part of the whole decoded picture.

        Reads and decodes only the segments that the window needs. Raises DatasetError if the file has changed.
        """
        from PIL import Image

        size = (self.mcu[0], self.mcu[1] * self.interval)
        limits = (-(-self.height // size[0]), -(-self.width // size[1]))
        (top, bottom), (left, right) = (
            (max(part.start // step - (unit > 8), 0), min(-(-part.stop // step) + (unit > 8), limit))
            for part, step, limit, unit in zip(window, size, limits, self.mcu, strict=True)
        )
        height = min(bottom * size[0], self.height) - top * size[0]
        width = min(right * size[1], self.width) - left * size[1]
        header = bytearray(self.header)
        struct.pack_into(">HH", header, self.size_at, height, width)
        try:
            with Image.open(
                io.BytesIO(header + self._scan(range(top, bottom), left, right, limits[1])), formats=("JPEG",)
            ) as image:
                decoded = np.asarray(image)
        except (OSError, SyntaxError) as error:
            raise _damaged(self.path) from error
        y, x = window[0].start - top * size[0], window[1].start - left * size[1]
        return decoded[y : y + window[0].stop - window[0].start, x : x + window[1].stop - window[1].start]

    def _scan(self, rows: range, left: int, right: int, across: int) -> bytearray:
        """Rows and columns `left` to `right` of segments, `across` in a row, as a scan with the end of the image."""
        scan = bytearray()
        count = 0
        with self.path.open("rb", buffering=0) as stream:
            for row in rows:
                bounds = self.starts[row * across + left : row * across + right + 1].tolist()
                stream.seek(bounds[0])
                base = len(scan) - bounds[0]
                scan += stream.read(bounds[-1] - bounds[0])
                if len(scan) != base + bounds[-1]:
                    raise OSError("the file is shorter than it was")
                for bound in bounds[1:]:
                    scan[base + bound - 1] = 0xD0 + count % 8
                    count += 1
        scan[-2:] = b"\xff\xd9"
        return scan


def _header_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of what each header segment holds, up to the start of the scan."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    at, marker = 2, 0
    while marker != 0xDA:
        start, marker, length = struct.unpack_from(">BBH", data, at)
        if start != 0xFF:
            raise ValueError("no marker")
        yield marker, at + 4, at + 2 + length
        at += 2 + length


def _damaged(path: Path) -> DatasetError:
    return DatasetError(f"{path} is damaged or not as it was written: run `invisp prepare raws --resume` again.")
