"""The gain map of a picture: a small second one that says how much brighter than white each place of the first is.

A screen that shows more than white multiplies the picture by it; others show the picture as it is. It is described
twice, as readers differ: by ISO 21496-1 and by Adobe's XMP with Google's list of pictures (Ultra HDR 1.1). With u the
stored value of 255, `max` the largest gain in stops and H what a screen can show of white's luminance, linear light is

    (picture + 1/64) * 2 ** (u * max * min(log2(H) / max, 1)) - 1/64

In a JPEG it is a second JPEG behind the first, found by an index (`formats/multi_picture.py`), and the layer `gainmap`
holds its largest gain and its SHA-256: one that is not the picture's own is left out. In a PNG or TIFF the layer holds
the map itself.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, Final

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats import jpeg
from invisp_deploy.formats.layers import IDENTIFIER
from invisp_deploy.formats.multi_picture import second_picture, with_index
from invisp_deploy.formats.xmp import with_description

GAIN_MAP_LAYER: Final = "gainmap"
OFFSET: Final = 64
"""One part of so many of white is added to both pictures before they are compared."""

MOST_SIXTEENTHS: Final = 256
_MOST_BYTES: Final = 1 << 25
_HEAD: Final = struct.Struct(">H")
_APPLICATION: Final = range(0xE0, 0xF0)
_BASELINE: Final = 0xC0

_ISO: Final = b"urn:iso:std:iso:ts:21496:-1\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_THREE_CHANNELS: Final = 0x80
_COLOURS_OF_THE_PICTURE: Final = 0x40

_RDF: Final = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
_HDRGM: Final = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'  # so Pillow looks for it
_CONTAINER: Final = "http://ns.google.com/photos/1.0/container/"


@dataclass(frozen=True)
class GainMap:
    """image: a JPEG of three planes, baseline, without subsampling, at most the picture's size, in sensor order.

    sixteenths: of a stop, the gain of the value 255, 1 to 256; 0 is no gain. Raises ImageFileError for others.
    """

    image: bytes
    sixteenths: int

    def __post_init__(self) -> None:
        if not 1 <= self.sixteenths <= MOST_SIXTEENTHS:
            raise ImageFileError(
                f"A gain map's largest gain is 1 to {MOST_SIXTEENTHS} sixteenths of a stop, got {self.sixteenths}."
            )
        try:
            found = jpeg.header_of_jpeg(self.image)
        except ValueError as error:
            raise ImageFileError(f"A gain map is a JPEG, and this cannot be read: {error}.") from error
        form = (found.frame, found.precision, found.subsampling)
        if form != (_BASELINE, 8, "4:4:4") or not self.image.endswith(jpeg.END) or len(self.image) > _MOST_BYTES:
            raise ImageFileError(
                "A gain map is a whole baseline JPEG of three planes of one size, of 8 bits and at most "
                f"{_MOST_BYTES >> 20} MB, got one of the coding {found.frame:#x}, {len(found.components)} planes, "
                f"{found.precision} bits and {len(self.image)} bytes."
            )

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        header = jpeg.header_of_jpeg(self.image)
        return header.height, header.width

    @property
    def stops(self) -> float:
        """The largest gain, log2."""
        return self.sixteenths / 16

    def check_size(self, height: int, width: int) -> None:
        """Raise ImageFileError where it is larger than its picture, or of no size."""
        if not (1 <= self.size[0] <= height and 1 <= self.size[1] <= width):
            raise ImageFileError(
                f"A gain map of {self.size[1]}x{self.size[0]} is not of a picture of {width}x{height}: it has at most "
                "the picture's sides."
            )

    def to_layer(self, *, in_jpeg: bool) -> bytes:
        """What the picture's layer holds of it: all, or that by which it is known behind a JPEG."""
        return _HEAD.pack(self.sixteenths) + (hashlib.sha256(self.image).digest() if in_jpeg else self.image)


def gain_map_of(layer: bytes, header: jpeg.JpegHeader | None, stream: BinaryIO) -> GainMap:
    """The gain map that a layer speaks of; header, stream: of the JPEG that carries it, none for another file.

    Raises ImageFileError and ValueError for one that is not there any more, or is not that which was written.
    """
    if len(layer) <= _HEAD.size:
        raise ValueError("its layer is cut short")
    (sixteenths,), held = _HEAD.unpack_from(layer), layer[_HEAD.size :]
    if header is None:
        return GainMap(held, sixteenths)
    place, size = second_picture(header) or (0, 0)
    image = _plain(stream, place, size) if place else b""
    if not image.startswith(jpeg.START):
        raise ValueError("another program took it away")
    if hashlib.sha256(image).digest() != held:
        raise ValueError("it is another than the one that was written")
    return GainMap(image, sixteenths)


def with_gain_map(data: bytes, packet: bytes, packets: Iterable[bytes], second: jpeg.Pieces) -> jpeg.Pieces:
    """A JPEG without XMP in pieces, with the XMP packet of `packet_with_gain_map`, packets of layers, and behind it a
    second one (`second_image`) as its gain map.
    """
    whole = memoryview(data)
    place, scan = jpeg.end_of_segments(whole, (jpeg.APP0, jpeg.APP1)), jpeg.start_of_scan(whole)
    version = jpeg.segment(jpeg.APP2, _ISO + bytes(4))  # numbers stand in the map alone
    before, *rest = jpeg.with_packets(whole[:scan], packets)
    head = [before[:place], jpeg.segment(jpeg.APP1, _XMP + packet), before[place:], version, *rest]
    return with_index([*head, whole[scan:]], len(head), second)


def second_image(gain_map: GainMap) -> bytes:
    """The gain map's JPEG as it stands behind a picture: described by XMP and ISO 21496-1."""
    stops, offset = f"{gain_map.stops:.10g}", f"{1 / OFFSET:.10g}"
    described = (
        f'<rdf:Description {_RDF} {_HDRGM} hdrgm:GainMapMin="0" hdrgm:GainMapMax="{stops}" hdrgm:Gamma="1" '
        f'hdrgm:OffsetSDR="{offset}" hdrgm:OffsetHDR="{offset}" hdrgm:HDRCapacityMin="0" '
        f'hdrgm:HDRCapacityMax="{stops}" hdrgm:BaseRenditionIsHDR="False"/>'
    )
    largest = (gain_map.sixteenths, 16)
    channel = struct.pack(">10I", 0, 1, *largest, 1, 1, *(1, OFFSET) * 2)  # smallest, largest, gamma, offsets
    numbers = struct.pack(">2HB4I", 0, 0, _THREE_CHANNELS | _COLOURS_OF_THE_PICTURE, 0, 1, *largest) + 3 * channel
    segments = (
        jpeg.segment(jpeg.APP1, _XMP + with_description(b"", described)),
        jpeg.segment(jpeg.APP2, _ISO + numbers),
    )
    return b"".join(jpeg.with_segments(gain_map.image, segments))


def packet_with_gain_map(packet: bytes, size: int) -> tuple[bytes, tuple[str, ...]]:
    """The XMP packet of a picture that a gain map of so many bytes stands behind, and a sentence if its own had to be
    left out for it.
    """
    described = (
        f'<rdf:Description {_RDF} {_HDRGM} xmlns:Container="{_CONTAINER}" xmlns:Item="{_CONTAINER}item/">'
        '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" '
        'Item:Mime="image/jpeg"/></rdf:li><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" '
        f'Item:Mime="image/jpeg" Item:Length="{size}"/></rdf:li></rdf:Seq></Container:Directory>'
        "</rdf:Description>"
    )
    speaks = _PROPERTY.search(packet) or _DIRECTORY[0] in packet
    why = "speaks of a gain map of its own" if speaks else ""
    try:
        made = with_description(packet, described)
    except ValueError as error:
        why = f"cannot be read ({error})"
    if not why and len(made) + len(_XMP) > jpeg.MOST_PACKET:
        why = "leaves a JPEG no room for the gain map's"
    if not why:
        return made, ()
    note = f"the XMP packet of {len(packet)} bytes {why} and was left out"
    return with_description(b"", described), (note,)


_DESCRIPTION: Final = re.compile(
    rb'<rdf:Description rdf:about="[^"]*" ' + re.escape(f"{_RDF} {_HDRGM} ".encode()) + rb".*?</rdf:Description>",
    re.DOTALL,
)
_PROPERTY: Final = re.compile(
    rb"""\shdrgm:\w+\s*=\s*(?:"[^"]*"|'[^']*')|<hdrgm:(\w+)>[^<]*</hdrgm:\1>""",
)
_DIRECTORY: Final = (b"<Container:Directory>", b"</Container:Directory>")


def packet_without_gain_map(packet: bytes) -> bytes:
    """Inverse of `packet_with_gain_map`; without its properties, too, where another program wrote the packet anew."""
    left, count = _DESCRIPTION.subn(b"", packet)
    if not count:
        left = _PROPERTY.sub(b"", packet)
        before, start, rest = left.partition(_DIRECTORY[0])
        _, end, after = rest.partition(_DIRECTORY[1])
        left = before + after if start and end else left
    return b"" if left == with_description(b"", "") else left


def _plain(stream: BinaryIO, place: int, size: int) -> bytes:
    """A gain map's JPEG without its description and without layers: what was given to `second_image`."""
    stream.seek(place)
    kept = [stream.read(2)]
    while len(head := stream.read(4)) == 4 and head[0] == 0xFF and head[1] in _APPLICATION:
        body = stream.read(max(int.from_bytes(head[2:], "big") - 2, 0))
        if not body.startswith((_XMP, _ISO, IDENTIFIER)):
            kept.append(head + body)
    left = place + size - stream.tell()
    return b"".join((*kept, head, stream.read(min(max(left, 0), _MOST_BYTES))))
