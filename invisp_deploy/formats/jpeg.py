"""JPEG files by their segments: header, quantisation and sampling, the layers they carry, what decides their pixels.

ITU-T T.81, annex B. Nothing here decodes a pixel.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, Final

from invisp_deploy.formats.layers import IDENTIFIER

START: Final = b"\xff\xd8"
END: Final = b"\xff\xd9"
MOST_PACKET: Final = 65533
"""Bytes that a segment holds beside its length."""

APP0: Final = 0xE0
APP1: Final = 0xE1
APP2: Final = 0xE2
_APP9, _APP14, _APP15 = 0xE9, 0xEE, 0xEF
_DQT, _DHT, _DRI, _SOS, _COM = 0xDB, 0xC4, 0xDD, 0xDA, 0xFE
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, 0xCC}
_ICC: Final = b"ICC_PROFILE\0"
INDEX: Final = b"MPF\0"
"""Before an index of the pictures in one file (`formats/multi_picture.py`)."""

Pieces = list[bytes | memoryview]
"""Of a file, in their order: what is large is not copied to be joined."""

_SAMPLING: Final = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}


@dataclass(frozen=True)
class Component:
    """One colour plane. h, v: sampling factors. table: of its quantisation, 64 bytes or words in zigzag order."""

    identity: int
    h: int
    v: int
    table: tuple[int, ...]


@dataclass(frozen=True)
class Scan:
    """One pass over components, each with its DC and AC Huffman table. start, end: of its entropy-coded bytes."""

    components: tuple[tuple[int, int, int], ...]
    spectral: tuple[int, int]
    bits: tuple[int, int]
    start: int
    tables: dict[tuple[int, int], bytes]
    restart: int


@dataclass
class JpegHeader:
    """What stands before a JPEG's first scan. frame: the marker of its coding, 0xC0 and 0xC1 Huffman, 0xC2 progressive.

    huffman: by (class, number), 16 counts and the symbols. packets: of layers. index: of the pictures in the file, and
    index_at its place there. ycc: colours are luma and chroma. scan: the first.
    """

    frame: int = 0
    precision: int = 0
    height: int = 0
    width: int = 0
    components: list[Component] = field(default_factory=list)
    huffman: dict[tuple[int, int], bytes] = field(default_factory=dict)
    restart: int = 0
    packets: list[bytes] = field(default_factory=list)
    profile: bytes = b""
    index: bytes = b""
    index_at: int = 0
    ycc: bool = True
    scan: Scan | None = None

    @property
    def subsampling(self) -> str:
        """As 4:2:2; empty for a JPEG that is not of three planes of which the first is the finest."""
        if len(self.components) != 3:
            return ""
        luma, *chroma = self.components
        if any((one.h, one.v) != (1, 1) for one in chroma):
            return ""
        return _SAMPLING.get((luma.h, luma.v), "")

    @property
    def tables(self) -> tuple[tuple[int, ...], ...]:
        """Quantisation of each component, in zigzag order."""
        return tuple(component.table for component in self.components)


def read_jpeg_header(stream: BinaryIO) -> JpegHeader:
    """Everything up to the first scan, where the stream then stands. Raises ValueError for what is no JPEG."""
    header = JpegHeader()
    quantisation: dict[int, tuple[int, ...]] = {}
    if stream.read(2) != START:
        raise ValueError("it does not begin as a JPEG")
    planes: list[tuple[int, int, int, int]] = []
    jfif, adobe = False, -1
    while header.scan is None:
        marker = _marker(stream)
        size = _unpack(">H", stream.read(2))[0] - 2
        if size < 0:
            raise ValueError("a segment has no length")
        if marker == _COM or (APP0 < marker <= _APP15 and marker not in (APP2, _APP9, _APP14)):
            stream.seek(size, io.SEEK_CUR)
            continue
        data = stream.read(size)
        if len(data) < size:
            raise ValueError("it ends within a segment")
        if marker == _APP9 and data.startswith(IDENTIFIER):
            header.packets.append(data)
        elif marker == APP2 and data.startswith(_ICC):
            header.profile += data[len(_ICC) + 2 :]
        elif marker == APP2 and data.startswith(INDEX):
            header.index, header.index_at = data[len(INDEX) :], stream.tell() - size + len(INDEX)
        elif marker == APP0 and data.startswith(b"JFIF\0"):
            jfif = True
        elif marker == _APP14 and data.startswith(b"Adobe") and size >= 12:
            adobe = data[11]
        elif marker == _DQT:
            quantisation.update(_quantisation(data))
        elif marker == _DHT:
            header.huffman.update(huffman_tables(data))
        elif marker == _DRI:
            header.restart = _unpack(">H", data)[0]
        elif marker in _FRAMES:
            header.frame = marker
            header.precision, header.height, header.width, count = _unpack(">BHHB", data)
            planes = [_plane(data[6 + 3 * index :]) for index in range(count)]
        elif marker == _SOS:
            header.components = [Component(one, h, v, quantisation.get(table, ())) for one, h, v, table in planes]
            header.scan = scan_of(data, header, stream.tell())
    identities = [component.identity for component in header.components]
    header.ycc = jfif or (adobe == 1 if adobe >= 0 else identities != [ord(letter) for letter in "RGB"])
    return header


def header_of_jpeg(data: bytes) -> JpegHeader:
    """`read_jpeg_header` of a file's bytes."""
    return read_jpeg_header(io.BytesIO(data))


def scan_of(data: bytes, header: JpegHeader, start: int) -> Scan:
    """The body of a scan's header, before entropy-coded bytes that begin at `start`. Raises ValueError."""
    count = data[0] if data else 0
    if len(data) < 4 + 2 * count or not count:
        raise ValueError("the header of a scan is cut short")
    numbers = {component.identity: index for index, component in enumerate(header.components)}
    parts = []
    for index in range(count):
        identity, tables = data[1 + 2 * index], data[2 + 2 * index]
        if identity not in numbers:
            raise ValueError("a scan is of a component that is not there")
        parts.append((numbers[identity], tables >> 4, tables & 15))
    first, last, bits = data[1 + 2 * count : 4 + 2 * count]
    return Scan(tuple(parts), (first, last), (bits >> 4, bits & 15), start, dict(header.huffman), header.restart)


def huffman_tables(data: bytes) -> dict[tuple[int, int], bytes]:
    """Of the body of a DHT segment: (class, number) -> 16 counts and the symbols. Raises ValueError."""
    found = {}
    while data:
        count = sum(data[1:17])
        if len(data) < 17 + count:
            raise ValueError("a Huffman table is cut short")
        found[data[0] >> 4, data[0] & 15] = data[1 : 17 + count]
        data = data[17 + count :]
    return found


def pixels_digest(data: bytes) -> str:
    """SHA-256, hexadecimal, of what decides a JPEG's pixels as any decoder has them, and of nothing else.

    Sizes, sampling, quantisation and Huffman tables, colours, and the entropy-coded bytes as they stand: two files of
    equal coefficients that are coded differently have two digests. Raises ValueError for what is no JPEG.
    """
    header = header_of_jpeg(data)
    digest = hashlib.sha256(digest_head(header))
    start = header.scan.start if header.scan else 0
    end = data.find(END, start)
    digest.update(memoryview(data)[start : end if end >= 0 else len(data)])
    return digest.hexdigest()


def digest_head(header: JpegHeader) -> bytes:
    """What the digest of a JPEG's pixels begins with, before the entropy-coded bytes: all that its header decides.

    Raises ValueError for a JPEG without a scan.
    """
    scan = header.scan
    if scan is None:
        raise ValueError("it has no scan")
    planes = tuple((component.h, component.v, component.table) for component in header.components)
    decides = (
        *(header.frame == 0xC2, header.precision, header.height, header.width, header.ycc, planes),
        *(sorted(header.huffman.items()), header.restart, scan.components, scan.spectral, scan.bits),
    )
    return repr(decides).encode()


def segment(marker: int, body: bytes) -> bytes:
    """A segment of at most `MOST_PACKET` bytes beside its marker and length."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_packets(data: bytes | memoryview, packets: Iterable[bytes]) -> Pieces:
    """A JPEG in pieces, with a segment of each packet before what decides its pixels."""
    return with_segments(data, [segment(_APP9, packet) for packet in packets])


def with_segments(data: bytes | memoryview, segments: Iterable[bytes]) -> Pieces:
    """A JPEG in pieces, with these behind the application segments that it begins with."""
    data = memoryview(data)
    place = end_of_segments(data, range(APP0, _APP15 + 1))
    return [data[:place], *segments, data[place:]]


def start_of_scan(data: bytes | memoryview) -> int:
    """Where the header of a JPEG's first scan begins."""
    return end_of_segments(data, [marker for marker in range(0xC0, 0xFF) if marker != _SOS])


def end_of_segments(data: bytes | memoryview, markers: Container[int]) -> int:
    """Where the segments of these markers that a JPEG begins with are over."""
    place = 2
    while data[place + 1] in markers:
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return place


@lru_cache(maxsize=4)
def written_by_pillow(quality: int, subsampling: str) -> bytes:
    """A grey JPEG of 8x8 pixels by this libjpeg, for its tables."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return stream.getvalue()


def _marker(stream: BinaryIO) -> int:
    """The next marker's second byte; fill bytes before it are skipped."""
    if stream.read(1) != b"\xff":
        raise ValueError("a segment does not begin with a marker")
    while (byte := stream.read(1)) == b"\xff":
        pass
    if not byte or byte in (b"\0", b"\xd9"):
        raise ValueError("it ends before its first scan")
    return byte[0]


def _plane(data: bytes) -> tuple[int, int, int, int]:
    identity, sampling, table = _unpack(">BBB", data)
    h, v = sampling >> 4, sampling & 15
    if not 1 <= min(h, v) <= max(h, v) <= 4:
        raise ValueError("a component has no sampling factor")
    return identity, h, v, table


def _quantisation(data: bytes) -> dict[int, tuple[int, ...]]:
    found = {}
    while data:
        wide = data[0] >> 4
        size = 128 if wide else 64
        if len(data) < 1 + size:
            raise ValueError("a quantisation table is cut short")
        found[data[0] & 15] = struct.unpack(">64H" if wide else ">64B", data[1 : 1 + size])
        data = data[1 + size :]
    return found


def _unpack(shape: str, data: bytes) -> Sequence[Any]:
    size = struct.calcsize(shape)
    if len(data) < size:
        raise ValueError("it ends within a segment")
    return struct.unpack(shape, data[:size])
