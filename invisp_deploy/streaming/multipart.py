"""JPEGs one after the other as `multipart/x-mixed-replace`, which browsers show and GStreamer and FFmpeg take apart.

The stream is `BEGIN`, then for each JPEG a head, its bytes and `BEHIND`, then `END` (RFC 2046, 5.1). The boundary goes
out behind a part, not before the next one, so that whoever looks for it has the picture at once.
"""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import quote

BOUNDARY: Final = "invisp"
CONTENT_TYPE: Final = f"multipart/x-mixed-replace; boundary={BOUNDARY}"

BEGIN: Final = f"--{BOUNDARY}".encode()
BEHIND: Final = b"\r\n" + BEGIN
END: Final = b"--\r\n"

SHORT_HEAD: Final = b"\r\nContent-Type: image/jpeg\r\n\r\n"
"""Of a part to come, of which nothing is known."""


def part_head(name: str, size: int) -> bytes:
    """What stands before a JPEG of `size` bytes. name: of its file, if it became one; escaped as RFC 8187 has it, so
    that no name can begin another header.
    """
    return (
        f"\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n"
        f"Content-Disposition: inline; filename*=UTF-8''{quote(os.fsencode(name), safe='')}\r\n\r\n"
    ).encode("ascii")
