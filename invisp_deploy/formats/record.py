"""The way back: what a rendered picture must carry to become a RAW file again.

Stored as compressed JSON behind an identifier and a checksum, at most 4 KB: in a JPEG as an APP9
segment, in a PNG as a text chunk, in a TIFF as a private tag.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from typing import Final

from invisp_deploy.errors import ImageFileError, InvispError
from invisp_deploy.isp.alignment import Alignment
from invisp_deploy.isp.frame import FrameFacts, facts_from_json, tuples
from invisp_deploy.isp.recipe import Recipe

IDENTIFIER: Final = b"InvISP\0"
MAX_BYTES: Final = 4096

_LARGEST: Final = 65535
"""Pixels of a side that a JPEG can have."""


@dataclass(frozen=True)
class Record:
    """Everything the inverse and the DNG writer need beside the pixels.

    weights, precision: of the graph that rendered. facts: what the file stated of its frame, for the DNG.
    recipe: of the aligned frame as the network saw it. alignment: mirrored rows and columns to cut off.
    height, width: of the picture. quality, subsampling: of the JPEG, 0 and empty where stored without loss.
    forced: the weights were trained for another camera.

    Raises ImageFileError for sizes that no picture has.
    """

    weights: str
    precision: str
    facts: FrameFacts
    recipe: Recipe
    height: int
    width: int
    alignment: Alignment = field(default_factory=Alignment)
    quality: int = 0
    subsampling: str = ""
    forced: bool = False

    def __post_init__(self) -> None:
        added = self.alignment
        inner = (self.height - added.top - added.bottom, self.width - added.left - added.right)
        sides = all(isinstance(side, int) for side in (self.height, self.width, self.quality))
        if not sides or not 2 <= min(inner) <= max(self.height, self.width) <= _LARGEST or not 0 <= self.quality <= 100:
            raise ImageFileError(
                f"A picture of {self.width!r}x{self.height!r} with {added} and the quality {self.quality!r} cannot be."
            )
        texts = (self.weights, self.precision, self.subsampling)
        if not all(isinstance(text, str) for text in texts) or not isinstance(self.forced, bool):
            raise ImageFileError(f"Weights, precision and subsampling are text, got {texts}.")

    def to_bytes(self) -> bytes:
        """Identifier, CRC-32 and compressed JSON."""
        packed = zlib.compress(json.dumps(asdict(self), separators=(",", ":")).encode(), 9)
        data = IDENTIFIER + zlib.crc32(packed).to_bytes(4, "big") + packed
        if len(data) > MAX_BYTES:
            raise ImageFileError(f"The record of the way back needs {len(data)} bytes, at most {MAX_BYTES} fit.")
        return data

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> Record:
        """Inverse of `to_bytes`; `source` names the file in the ImageFileError for damaged data."""
        body = data[len(IDENTIFIER) :]
        checksum, packed = body[:4], body[4:]
        if not data.startswith(IDENTIFIER) or zlib.crc32(packed).to_bytes(4, "big") != checksum:
            raise _damaged(source, "its checksum is wrong")
        try:
            parts = tuples(json.loads(zlib.decompressobj().decompress(packed, 1 << 16)))
            facts, recipe, alignment = (parts.pop(name) for name in ("facts", "recipe", "alignment"))
            return cls(facts=facts_from_json(facts), recipe=Recipe(**recipe), alignment=Alignment(**alignment), **parts)
        except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError, InvispError) as error:
            raise _damaged(source, str(error)) from error


def _damaged(source: str, why: str) -> ImageFileError:
    return ImageFileError(
        f"The way back that {source} carries is damaged, or of another version ({why}): use the file as it was "
        "rendered, or pass `force` with explicit values."
    )
