"""The multipart stream as Python's own reader of multipart messages takes it apart."""

from __future__ import annotations

from email import message_from_bytes

from invisp_deploy.streaming.multipart import BEGIN, BEHIND, CONTENT_TYPE, END, part_head


def test_parts_are_what_was_put_in_under_the_names_that_they_had() -> None:
    names = ["frame-000000.jpg", "naïve \r\nX: 1.jpg", "half\udcff.jpg"]
    bodies = [bytes([255, 216, number]) + b"\n--invisp no boundary" for number in range(3)]
    parts = [part_head(name, len(body)) + body + BEHIND for name, body in zip(names, bodies, strict=True)]
    head = f"Content-Type: {CONTENT_TYPE}\r\n\r\n".encode()
    found = message_from_bytes(head + BEGIN + b"".join(parts) + END).get_payload()
    assert isinstance(found, list)
    assert [part.get_payload(decode=True) for part in found] == bodies  # type: ignore[union-attr]
    assert [part["Content-Length"] for part in found] == [str(len(body)) for body in bodies]  # type: ignore[index]
    assert [part.get_filename() for part in found][:2] == names[:2]  # type: ignore[union-attr]
    assert {part.get_content_type() for part in found} == {"image/jpeg"}  # type: ignore[union-attr]
    assert {len(part.items()) for part in found} == {3}, "no name begins another header"  # type: ignore[union-attr]
