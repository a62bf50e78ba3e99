"""The way back: what a rendered picture must carry to become a RAW file again.

Stored as compressed JSON behind an identifier and a checksum, at most 4 KB: in a JPEG as an APP9
segment, in a PNG as a text chunk, in a TIFF as a private tag.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any, Final

from invisp_deploy.contract import BORDERS, camera_name
from invisp_deploy.errors import ImageFileError
from invisp_deploy.isp.alignment import Border
from invisp_deploy.isp.frame import ColorMatrix
from invisp_deploy.isp.levels import Levels

__all__ = ["IDENTIFIER", "MAX_BYTES", "Record"]

IDENTIFIER: Final = b"InvISP\0"
MAX_BYTES: Final = 4096
_VERSION: Final = 1


@dataclass(frozen=True)
class Record:
    """Everything the inverse and the DNG writer need beside the pixels.

    weights, precision: of the graph that rendered. make, model, orientation, color_matrix: of the frame.
    levels: of the bordered frame as the network saw it. black (four positions of the frame's own
    pattern), white (DN of the file) and gains (as shot) are for the DNG. border: mirrored rows and columns to cut off.
    height, width: of the picture. quality, subsampling: of the JPEG, 0 and empty where stored without loss.
    forced: the weights were trained for another camera.
    """

    weights: str
    precision: str
    make: str
    model: str
    orientation: int
    color_matrix: ColorMatrix | None
    levels: Levels
    black: tuple[float, float, float, float]
    white: int
    gains: tuple[float, float, float] | None
    border: Border
    height: int
    width: int
    quality: int = 0
    subsampling: str = ""
    forced: bool = False

    @property
    def camera(self) -> str:
        return camera_name(self.make, self.model)

    def to_bytes(self) -> bytes:
        """Identifier, CRC-32 and compressed JSON."""
        text = json.dumps({"version": _VERSION, **asdict(self)}, separators=(",", ":"))
        packed = zlib.compress(text.encode(), 9)
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
            unpacker = zlib.decompressobj()
            fields = json.loads(unpacker.decompress(packed, 1 << 16))
        except (zlib.error, ValueError) as error:
            raise _damaged(source, str(error)) from error
        version = fields.pop("version", None) if isinstance(fields, dict) else None
        if version != _VERSION:
            raise ImageFileError(
                f"{source} carries a way back of version {version}, this one reads {_VERSION}: update invisp-deploy."
            )
        try:
            return _from_fields(fields)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(source, str(error)) from error


def _from_fields(fields: dict[str, Any]) -> Record:
    levels = fields.pop("levels")
    matrix = fields.pop("color_matrix")
    gains = fields.pop("gains")
    border = levels.get("border", "mirror")  # records were written before there was a choice
    if border not in BORDERS:
        raise ValueError(f"its demosaicing has the border {border!r}")
    numbers = levels["cfa"], tuple(levels["black"]), levels["white"], tuple(levels["gains"]), levels["gamma"]
    return Record(
        levels=Levels(*numbers, border),
        black=tuple(fields.pop("black")),
        gains=tuple(gains) if gains else None,
        color_matrix=tuple(tuple(row) for row in matrix) if matrix else None,  # type: ignore[arg-type]
        border=Border(**fields.pop("border")),
        **fields,
    )


def _damaged(source: str, why: str) -> ImageFileError:
    return ImageFileError(
        f"The way back that {source} carries is damaged ({why}): use the file as it was rendered, or pass --force with "
        "explicit values."
    )
