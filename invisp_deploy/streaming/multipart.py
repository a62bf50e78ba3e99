"""JPEGs one after the other as `multipart/x-mixed-replace`, which browsers show and GStreamer and FFmpeg take apart."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import quote

BOUNDARY: Final = "invisp"
CONTENT_TYPE: Final = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
"""Of the whole, as RFC 2046, 5.1 has multipart bodies: each part begins with the boundary, the last ends with it."""

END: Final = f"--{BOUNDARY}--\r\n".encode()


def part_head(name: str, size: int) -> bytes:
    """What stands before a JPEG of `size` bytes; a line end stands behind it. name: of its file, if it became
    one; escaped as RFC 8187 has it, so that no name can begin another header.
    """
    return (
        f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n"
        f"Content-Disposition: inline; filename*=UTF-8''{quote(os.fsencode(name), safe='')}\r\n\r\n"
    ).encode("ascii")
