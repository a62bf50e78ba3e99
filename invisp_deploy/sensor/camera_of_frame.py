"""A RAW file's frame to the camera file of what took it."""

from __future__ import annotations

from typing import Final

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.negative import OPCODES
from invisp_deploy.sensor.camera_file import GREY_WORLD, CameraFile, CameraNoise
from invisp_deploy.sensor.lens_shading import LensShading, shading_of_opcodes

_NOISE_PROFILE: Final = 51041
_WORDS: Final = (10, 12, 14, 16)
"""Bits that words of a sensor have."""


def camera_of_frame(frame: RawFrame, name: str) -> tuple[CameraFile, tuple[str, ...]]:
    """The camera file under which the frame's mosaic, as little-endian words without padding, is that frame again; and
    sentences on what it does not say. name: of the file.
    """
    height, width = frame.mosaic.shape
    most = max(frame.white, int(frame.mosaic.max()))
    bits = next(bits for bits in _WORDS if most < 1 << bits)
    notes = []
    if frame.gains is None:
        notes.append(f"the file has no as-shot white balance: each frame is balanced by its own means ({GREY_WORLD})")
    if frame.color_matrix is None:
        notes.append("the file has no colour matrix, and none is known for its camera")
    shading, said = _shading(frame)
    camera = CameraFile(
        name=name,
        make=frame.make,
        model=frame.model,
        format=f"S{frame.cfa}{bits}",
        black=frame.black,
        white=frame.white,
        white_balance=frame.gains or GREY_WORLD,
        width=width,
        height=height,
        orientation=frame.orientation,
        color_matrix=() if frame.color_matrix is None else (("D65", frame.color_matrix),),
        noise=_noise(frame),
        lens_shading=shading,
    )
    return camera, (*notes, *said)


def _noise(frame: RawFrame) -> tuple[CameraNoise, ...]:
    """What a DNG states, of three colours the least."""
    tags = {} if frame.negative is None else frame.negative.mosaic
    numbers = tags[_NOISE_PROFILE].numbers if _NOISE_PROFILE in tags else (0.0, 0.0)
    a, b = min(numbers[::2]), min(numbers[1::2])
    return (CameraNoise(1.0, a, b),) if min(a, b) >= 0 < a + b else ()


def _shading(frame: RawFrame) -> tuple[LensShading, tuple[str, ...]]:
    tags = {} if frame.negative is None else frame.negative.mosaic
    lists = [code for code in OPCODES if code in tags]
    found = shading_of_opcodes(tags[OPCODES[1]].data, *frame.mosaic.shape) if OPCODES[1] in tags else None
    left_out = [f"OpcodeList{OPCODES.index(code) + 1}" for code in lists if code != OPCODES[1] or found is None]
    said = f"{' and '.join(left_out)} of the file is more than a camera file says, and is left out"
    return found or (), (said,) if left_out else ()
