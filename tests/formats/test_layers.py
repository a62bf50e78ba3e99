import struct
import zlib

import pytest

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.layers import IDENTIFIER, from_packets, to_packets

LAYERS = {"record": b"short", "negative": bytes(range(256)) * 700, "nothing": b""}


@pytest.mark.parametrize("most", [100, 65533, 1 << 20])
def test_come_back_in_any_order(most: int) -> None:
    packets = list(to_packets(LAYERS, most))
    assert max(map(len, packets)) <= most
    assert from_packets(reversed(packets)) == (LAYERS, {})


def test_a_packet_is_what_the_module_says() -> None:
    (packet,) = to_packets({"record": b"abc"}, 100)
    assert packet == b"InvISP\0record\0" + struct.pack(">HHI", 0, 1, zlib.crc32(b"abc")) + b"abc"


def test_a_layer_that_lacks_a_part_or_has_a_wrong_bit_is_named_and_the_others_stay() -> None:
    packets = list(to_packets(LAYERS, 65533))
    whole, damaged = from_packets(packets[:2] + packets[3:])
    assert set(whole) == {"record", "nothing"}
    assert set(damaged) == {"negative"}
    packets[0] = packets[0][:-1] + bytes((packets[0][-1] ^ 4,))
    assert from_packets(packets)[1] == {"record": "its checksum is wrong"}


@pytest.mark.parametrize("packet", [b"", b"InvISP", IDENTIFIER, IDENTIFIER + b"record", IDENTIFIER + b"record\0\0\0"])
def test_what_cannot_be_read_is_damage(packet: bytes) -> None:
    whole, damaged = from_packets([packet])
    assert not whole
    assert damaged


def test_no_more_is_written_than_is_read() -> None:
    most = 1 << 28
    with pytest.raises(ImageFileError, match="layers have 268435457 bytes, a picture carries 256 MB at most"):
        next(to_packets({"record": b"a", "residual": bytes(most)}, 65533))
    (packet,) = to_packets({"residual": bytes(1 << 20)}, 1 << 21)
    assert from_packets([packet] * 256)[0], "not more than that"
    assert from_packets([packet] * 257) == ({}, {"": "it has more than 256 MB"})
