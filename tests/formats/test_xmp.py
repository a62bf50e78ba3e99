"""Places in XMP packets: none is left, and nothing else goes."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET

import pytest

from invisp_deploy.formats.xmp import without_places

HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    ' xmlns:dji="http://www.dji.com/drone-dji/1.0/" xmlns:p="http://ns.adobe.com/photoshop/1.0/" '
    'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"'
)
TAIL = "</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
TITLE = "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Möwe, City 48</rdf:li></rdf:Alt></dc:title>"


@pytest.mark.parametrize(
    ("attributes", "elements"),
    [
        (' exif:GPSLatitude="48,7.5N" exif:GPSMapDatum=\'WGS-84\'', ""),
        (' dji:GpsLatitude="+48" dji:GpsLongtitude="+11" dji:AbsoluteAltitude="+500"', ""),
        (' p:City="München" p:State="Bayern" p:Country="Deutschland"', ""),
        ("", "<exif:GPSLatitude>48,7.5N</exif:GPSLatitude><exif:GPSLongitude />"),
        ("", "<e:LocationCreated><rdf:Bag><rdf:li e:City='x'><e:Sublocation>y</e:Sublocation></rdf:li></rdf:Bag>"
             "</e:LocationCreated>"),
    ],
)  # fmt: skip
def test_places_go_and_all_else_stays(attributes: str, elements: str) -> None:
    packet = f"{HEAD}{attributes}>{TITLE}{elements}{TAIL}".encode()
    left = without_places(packet)
    assert left == f"{HEAD}>{TITLE}{TAIL}".encode()
    ET.fromstring(left.decode())


def test_a_packet_without_places_stays_as_it_is() -> None:
    assert without_places(f"{HEAD}>{TITLE}{TAIL}".encode()) == f"{HEAD}>{TITLE}{TAIL}".encode()
    assert without_places(b"") == b""


@pytest.mark.parametrize(
    "packet",
    [
        f"{HEAD}>{TAIL}".encode("utf-16"),
        b"\xff\xfe",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>",
        b"<exif:GPSLatitude>48",
        b"<exif:GPSLatitude <x/>",
        b"<exif:GPSLatitude>48</exif:GPSLatitude",
    ],
)
def test_what_is_not_understood_goes_as_a_whole(packet: bytes) -> None:
    assert without_places(packet) == b""


def test_long_damage_costs_no_time() -> None:
    begun = time.perf_counter()
    without_places(b"<p:City>" * 100_000)
    without_places(b" City=" * 100_000)
    without_places(b"<p:City" * 100_000)
    without_places(b"<p:City " * 100_000)
    without_places(b" " * 1_000_000)
    without_places(b"p" * 1_000_000)
    assert time.perf_counter() - begun < 5
