"""The way back: what a rendered picture must carry to become a RAW file again.

Compressed JSON of at most 4 KB, the picture's layer `record` (`formats/layers.py`).
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import asdict, dataclass, field
from typing import Final

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.limits import LARGEST_SIDE
from invisp_deploy.isp.alignment import Alignment
from invisp_deploy.isp.frame import FrameFacts, facts_from_json, tuples
from invisp_deploy.isp.recipe import Recipe

LAYER: Final = "record"
MAX_BYTES: Final = 4096


@dataclass(frozen=True)
class Record:
    """Everything the inverse and the DNG writer need beside the pixels.

    weights, precision: of the graph that rendered. facts: what the file stated of its frame, for the DNG.
    recipe: of the aligned frame as the network saw it. alignment: mirrored rows and columns to cut off.
    height, width: of the picture. quality, subsampling: of the JPEG, 0 and empty where stored without loss.
    forced: the weights were trained for another camera. digest: of the pixels as they were written, empty before that
    (`formats/untouched.py`). own_codes: the same of a JPEG with Huffman codes made for it, empty for libjpeg's usual.

    Raises ImageFileError for values that no picture has.
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
    digest: str = ""
    own_codes: str = ""

    def __post_init__(self) -> None:
        added = self.alignment
        inner = (self.height - added.top - added.bottom, self.width - added.left - added.right)
        sides = all(isinstance(side, int) for side in (self.height, self.width, self.quality))
        if (
            not sides
            or not 2 <= min(inner) <= max(self.height, self.width) <= LARGEST_SIDE
            or not 0 <= self.quality <= 100
        ):
            raise ImageFileError(
                f"A picture that carries its way back has sides of 2 to {LARGEST_SIDE} and a quality up to 100, got "
                f"{self.width!r}x{self.height!r} with {added} and the quality {self.quality!r}: crop the RAW file."
            )
        texts = (self.weights, self.precision, self.subsampling)
        if not all(isinstance(text, str) for text in texts) or not isinstance(self.forced, bool):
            raise ImageFileError(f"Weights, precision and subsampling are text, got {texts}.")
        for digest in (self.digest, self.own_codes):
            if not isinstance(digest, str) or not re.fullmatch("(?:[0-9a-f]{64})?", digest):
                raise ImageFileError(f"A digest has 64 hexadecimal digits, got {digest!r}.")

    def to_bytes(self) -> bytes:
        """Compressed JSON. Raises ImageFileError above `MAX_BYTES`."""
        packed = zlib.compress(json.dumps(asdict(self), separators=(",", ":")).encode(), 9)
        if len(packed) > MAX_BYTES:
            raise ImageFileError(f"The record of the way back needs {len(packed)} bytes, at most {MAX_BYTES} fit.")
        return packed

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> Record:
        """Inverse of `to_bytes`; `source` names the file in the ImageFileError for damaged data."""
        try:
            parts = tuples(json.loads(zlib.decompressobj().decompress(data, 1 << 16)))
            facts, recipe, alignment = (parts.pop(name) for name in ("facts", "recipe", "alignment"))
            parts["digest"]  # what has none is of another version
            return cls(facts=facts_from_json(facts), recipe=Recipe(**recipe), alignment=Alignment(**alignment), **parts)
        except Exception as error:  # anybody may have written it
            raise damaged_record(source, str(error)) from error


def damaged_record(source: str, why: str) -> ImageFileError:
    """The error for a record that is there and cannot be used."""
    return ImageFileError(
        f"The way back that {source} carries is damaged, or of another version ({why}): use the file as it was "
        "rendered, or pass `force` with explicit values."
    )
