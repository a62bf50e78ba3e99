"""What a prepared dataset knows of one RAW file without opening its mosaic or its picture."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.frame import ColorMatrix, Mosaic


@dataclass(frozen=True)
class Facts:
    """One file of a dataset.

    name: of its mosaic and picture; source: path of the RAW file; made: whether it was made from a photograph.
    raw_bytes, jpeg_bytes, mosaic_bytes: sizes of the three files; jpeg_crc: CRC-32 of the picture.
    height, width: pixels of the mosaic; brightest: DN of the brightest pixel at each position of the 2x2 pattern.
    The others are `RawFrame`'s.
    """

    name: str
    source: str
    made: bool
    raw_bytes: int
    jpeg_bytes: int
    mosaic_bytes: int
    jpeg_crc: int
    height: int
    width: int
    brightest: tuple[int, int, int, int]
    cfa: str
    black: tuple[float, float, float, float]
    white: int
    gains: tuple[float, float, float] | None
    orientation: int
    color_matrix: ColorMatrix | None
    make: str
    model: str
    exif: bytes

    def frame(self, mosaic: Mosaic) -> RawFrame:
        """The frame with that mosaic, which is not copied. Raises RawFileError for facts that no frame has."""
        return RawFrame(
            mosaic=mosaic,
            cfa=self.cfa,
            black=self.black,
            white=self.white,
            gains=self.gains,
            orientation=self.orientation,
            color_matrix=self.color_matrix,
            make=self.make,
            model=self.model,
            exif=self.exif,
        )

    def brightest_frame(self) -> RawFrame:
        """A frame of one 2x2 square of the brightest pixels: its levels are those of the whole frame."""
        return self.frame(np.array(self.brightest, np.uint16).reshape(2, 2))

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "exif": base64.b64encode(self.exif).decode()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Facts:
        """Strict inverse of `to_dict` after JSON. Raises ValueError."""
        if not isinstance(data, Mapping) or set(data) != {field.name for field in fields(cls)}:
            raise ValueError("the fields of a file are not those expected")
        matrix, gains = data["color_matrix"], data["gains"]
        try:
            return cls(
                **{
                    **data,
                    "brightest": tuple(data["brightest"]),
                    "black": tuple(data["black"]),
                    "gains": None if gains is None else tuple(gains),
                    "color_matrix": None if matrix is None else tuple(tuple(row) for row in matrix),
                    "exif": base64.b64decode(data["exif"], validate=True),
                }
            )
        except (TypeError, binascii.Error) as error:
            raise ValueError(str(error)) from error
