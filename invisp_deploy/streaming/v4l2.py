"""Cameras of Linux, by `linuxpy`: as they are set, through buffers that the driver shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from invisp_deploy.errors import MissingExtraError, RequestError
from invisp_deploy.streaming.capture import CapturedBuffer, CaptureFormat


class V4l2Camera:
    """A `CaptureDevice`: a capture of linuxpy's that runs."""

    def __init__(self, capture: Any, format: CaptureFormat, lost: int) -> None:
        self.format = format
        self._capture = capture
        self._lost = lost

    def fileno(self) -> int:
        return int(self._capture.device.fileno())

    def take(self) -> CapturedBuffer:
        frame = self._capture.buffer.raw_read()
        return CapturedBuffer(frame.buff.sequence, frame.data, not frame.buff.flags & self._lost)


@contextmanager
def open_camera(path: Path, buffers: int) -> Iterator[V4l2Camera]:
    """A camera that runs for the block, set as it was found. buffers: that the driver fills in turn.

    Raises RequestError for what is no camera, is held by somebody else, or hands out planes apart; MissingExtraError.
    """
    try:
        from linuxpy.video import device as linuxpy
        from linuxpy.video import raw
    except ModuleNotFoundError as error:
        raise MissingExtraError("linuxpy", "v4l2") from error
    with _closed_if_there() as stack:
        try:
            device = stack.enter_context(linuxpy.Device(path))
            capture = linuxpy.VideoCapture(device, size=buffers)
            pixels = linuxpy.get_raw_format(device, capture.type).fmt.pix
            stack.enter_context(capture)
        except (OSError, ValueError, linuxpy.V4L2Error) as error:
            said = getattr(error, "strerror", None) or error
            raise RequestError(
                f"The camera {path} cannot be taken: {said}. Cameras are /dev/video0 and so on, and only one program "
                "at a time has one."
            ) from error
        fourcc = pixels.pixelformat.to_bytes(4, "little").decode("ascii", "replace").rstrip()
        format = CaptureFormat(fourcc, pixels.width, pixels.height, pixels.bytesperline)
        yield V4l2Camera(capture, format, raw.BufferFlag.ERROR)


@contextmanager
def _closed_if_there() -> Iterator[ExitStack]:
    stack = ExitStack()
    try:
        yield stack
    finally:
        with suppress(OSError):  # a camera that was pulled out cannot be stopped
            stack.close()
