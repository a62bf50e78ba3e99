"""Standard output for frames alone: what anybody prints meanwhile goes to standard error."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from invisp_deploy.errors import OutputError, RequestError

FORMS: Final = ("mjpeg", "rgb", "nv12")
"""What stands there: a multipart stream of JPEGs with their way back, or bare frames for an encoder."""

_PIPE_BYTES: Final = 1 << 20  # what an unprivileged process may ask for; the system begins with 64 kB
_OUT, _ERR = 1, 2


@contextmanager
def frames_on_standard_output() -> Iterator[int]:
    """A descriptor of standard output for the block. Raises RequestError for a terminal."""
    if os.isatty(_OUT):
        raise RequestError("Frames would go to standard output, which is a terminal: pipe them on, or name a folder.")
    sys.stdout.flush()
    descriptor = os.dup(_OUT)
    try:
        os.dup2(_ERR, _OUT)
        with contextlib.suppress(OSError):  # it is a file
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        yield descriptor
    finally:
        sys.stdout.flush()
        os.dup2(descriptor, _OUT)
        os.close(descriptor)


def write_frame(descriptor: int, pieces: Iterable[bytes | memoryview]) -> None:
    """All of it; waits for a reader that is behind. Raises OutputError where there is none, or the disk is full."""
    try:
        for piece in pieces:
            left = memoryview(piece).cast("B")
            while left:
                left = left[os.write(descriptor, left) :]
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise OutputError("The program that read standard output has gone: the stream ends.") from error
        raise OutputError(f"Standard output could not be written: {error.strerror}.") from error
