"""XMP packets (ISO 16684-1): what of them says where a picture was taken; a further thing that one says."""

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

_END: Final = re.compile(r"</[\w.-]+:RDF\s*>")
_ABOUT: Final = re.compile(r"""\s[\w.-]+:about\s*=\s*["']([^"'<>]*)["']""")
_EMPTY: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


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


def with_description(packet: bytes, description: str) -> bytes:
    """A packet that says a further thing of the same picture; one of its own where there is none.

    description: an `rdf:Description` that declares its own prefixes, without `rdf:about`. Raises ValueError for a
    packet that nothing can be added to.
    """
    text = packet.decode() if packet else _EMPTY
    if "\0" in text or "<!DOCTYPE" in text:
        raise ValueError("it is no plain XML")
    end, about = list(_END.finditer(text)), _ABOUT.search(text)
    if not end:
        raise ValueError("it has no rdf:RDF")
    added = description.replace("<rdf:Description", f'<rdf:Description rdf:about="{about[1] if about else ""}"', 1)
    return (text[: end[-1].start()] + added + text[end[-1].start() :]).encode()
