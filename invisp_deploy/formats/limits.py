"""How large a file may claim to be: read from its header, and refused before anything of that size is allocated."""

from __future__ import annotations

from typing import Final

from invisp_deploy.errors import InvispError

MAX_PIXELS: Final = 200
"""Megapixels of one file, unless more are asked for: the largest cameras have 151."""

LARGEST_SIDE: Final = 65535
"""Pixels of a side that a JPEG can have."""


def check_size(source: object, height: int, width: int, max_pixels: float, error: type[InvispError]) -> None:
    """Raise `error` where a file claims more than `max_pixels` megapixels, a side of none, or one of over 65535."""
    if not 0 < min(height, width) <= max(height, width) <= LARGEST_SIDE:
        raise error(f"{source} claims to be {width}x{height} pixels, sides are 1 to {LARGEST_SIDE}: it is damaged.")
    if height * width > max_pixels * 1e6:
        raise error(
            f"{source} claims to be {width}x{height} pixels, more than {max_pixels:g} megapixels: if it really is, "
            "pass a larger `max_pixels`."
        )
