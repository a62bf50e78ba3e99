"""A frame as bytes: fixed size, no header; everything else is said by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.limits import LARGEST_SIDE
from invisp_deploy.formats.picture import Picture
from invisp_deploy.isp.colour import daylight_gains
from invisp_deploy.rendering.options import Explicit
from invisp_deploy.sensor.camera_file import CameraFile
from invisp_deploy.sensor.camera_frame import frame_of_camera
from invisp_deploy.sensor.companding import Companding
from invisp_deploy.sensor.frame_line import NOTHING_SAID, FrameLine
from invisp_deploy.sensor.layouts import Layout
from invisp_deploy.sensor.unpack import unpack


@dataclass(frozen=True)
class PipeFormat:
    """What a pipe carries: mosaics in a sensor's layout; for an inverse graph pictures (uint8 R, G, B, no layout).

    width, height: pixels. layout, stride: as `unpack` takes them. companding: what turns the samples into DN, None
    where they are. values: levels, gains and CFA of every frame. camera: its name, as the weights' contract spells it.
    described: by a camera file, which then says all that `values` and `camera` say, and more.

    Raises RequestError for a stride that is too short, and where CFA, black or a companding is missing or said twice.
    """

    width: int
    height: int
    layout: Layout | None
    values: Explicit
    camera: str = ""
    stride: int | None = None
    companding: Companding | None = None
    described: CameraFile | None = None

    def __post_init__(self) -> None:
        if self.layout is None:
            return
        self.layout.stride_of(self.width, self.stride)
        given, cfa, name = self.values.cfa, self.layout.cfa, self.layout.name
        if self.values.black is None or not (given or cfa):
            missing = "`black`" if cfa else "`black` and `cfa`"
            raise RequestError(f"A pipe of RAW frames in {name} does not say {missing}: pass what the data sheet has.")
        if given and cfa and given != cfa:
            raise RequestError(f"The `format` {name} is of {cfa} mosaics, `cfa` says {given}: one of them is wrong.")
        if self.layout.table and self.companding is None:
            raise RequestError(
                f"The `format` {name} holds codes of 8 bits, and no page says the table of them: pass its points as "
                "`companding`, from the data sheet of what made them."
            )
        if (white := self.values.white) is not None and white > self._most:
            raise RequestError(f"Frames in {name} end at {self._most} here, below the `white` {white}: one is wrong.")

    @classmethod
    def of_camera(cls, camera: CameraFile) -> PipeFormat:
        """Of a camera file that says the size of its frames. Raises RequestError for another."""
        if camera.width is None or camera.height is None:
            raise RequestError(f"{camera.name} does not say how large its frames are: write 'width' and 'height'.")
        values = Explicit(black=camera.black[0], white=camera.white, cfa=camera.pattern)
        layout, stride, companding = camera.layout, camera.stride, camera.companding
        return cls(camera.width, camera.height, layout, values, "", stride, companding, camera)

    @property
    def _most(self) -> int:
        """The largest DN that a frame can have."""
        if self.companding is not None:
            return self.companding.white
        return 255 if self.layout is None else self.layout.white

    @property
    def frame_bytes(self) -> int:
        if self.layout is None:
            return self.width * self.height * 3
        return self.layout.stride_of(self.width, self.stride) * self.height

    @property
    def daylight(self) -> FrameLine:
        """A line with gains that the frames of a camera file may have, to try it with before there is a frame. Raises
        ContractError for a matrix that cannot be undone.
        """
        if self.described is None or not isinstance(self.described.white_balance, str):
            return NOTHING_SAID
        matrices = [matrix for _, matrix in self.described.color_matrix]
        return FrameLine(gains=daylight_gains(matrices[-1]) if matrices else (1.0, 1.0, 1.0))

    def picture(self, data: bytearray) -> Picture:
        """(H, W, 3) uint8, without a way back."""
        return Picture(np.frombuffer(data, np.uint8).reshape(self.height, self.width, 3), None)

    def mosaic(self, data: bytearray, name: str, line: FrameLine = NOTHING_SAID) -> RawFrame:
        """The frame, in sensor order. line: what came beside it, for a camera file to heed.

        Raises RawFileError as `unpack`, and for levels that do not fit; as `frame_of_camera`; RequestError for a pipe
        of pictures.
        """
        layout, values = self.layout, self.values
        if layout is None:
            raise RequestError("This pipe carries pictures: a mosaic has a `format`.")
        samples = unpack(data, layout, self.width, self.height, self.stride, name=name)
        if self.companding is not None:
            samples = self.companding.expand(samples)
        if self.described is not None:
            return frame_of_camera(self.described, samples, line, name=name)
        return RawFrame(
            layout.cfa or str(values.cfa),
            (float(values.black or 0),) * 4,
            self._most if values.white is None else values.white,
            values.white_balance,
            color_matrix=values.color_matrix,
            model=self.camera,
            mosaic=samples,
        )


def pipe_size(text: str) -> tuple[int, int]:
    """`WIDTHxHEIGHT` in pixels. Raises RequestError for anything else."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 2 <= min(size) <= max(size) <= LARGEST_SIDE:
        raise RequestError(f"`pipe` takes the size of a frame such as 3520x2344, at least 2x2 pixels, got {text!r}.")
    return size
