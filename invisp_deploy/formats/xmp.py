"""XMP packets (ISO 16684-1): what of them says where a picture was taken."""

from __future__ import annotations

import re
from typing import Final

# exif:GPS*, drone-dji:Gps* and altitudes, photoshop:City, State and Country, Iptc4xmpCore:Location and CountryCode,
# Iptc4xmpExt:LocationCreated and LocationShown with what these hold; prefixes are a file's own choice.
_PLACE: Final = (
    r"(?:GPS|City|State|Country|Location|Sublocation|ProvinceState|WorldRegion|Latitude|Long|\w+Altitude)[\w.-]*"
)
_ATTRIBUTE: Final = re.compile(rf"""\s(?:[\w.-]+:)?{_PLACE}\s*=\s*(?:"[^"]*"|'[^']*')""", re.IGNORECASE)
_ELEMENT: Final = re.compile(rf"<((?:[\w.-]+:)?{_PLACE})(?=[\s/>])[^<>]*(>?)", re.IGNORECASE)


def without_places(packet: bytes) -> bytes:
    """A packet without the properties that say where; empty where it cannot be told what it says."""
    try:
        text = packet.decode()
    except UnicodeDecodeError:
        return b""
    if "\0" in text or "<!DOCTYPE" in text:
        return b""
    kept, place = [], 0
    while found := _ELEMENT.search(text, place):
        kept.append(text[place : found.start()])
        place = found.end()
        if not found[2]:
            return b""
        if not found[0].endswith("/>"):
            close = text.find(f"</{found[1]}", place)
            place = text.find(">", close) + 1
            if close < 0 or not place:
                return b""
    kept.append(text[place:])
    return _ATTRIBUTE.sub("", "".join(kept)).encode()
