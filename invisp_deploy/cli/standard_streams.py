"""Standard streams that are closed, full or read by nobody cost what is printed, never what is written."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

import click


class PatientStream:
    """A text stream that takes what nobody can read any more: after the first error everything goes to the null device.

    lost: that error, None while all is well.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())  # what the buffer still holds goes there, too, when the process ends
        os.close(null)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Print patiently in the block; what was lost on standard output is told, with exit code 1, when it ends well.

    A stream that was closed before the process began is the null device, so that no file of ours gets its number, to
    which the libraries that we use would write. Names that are not UTF-8 are printed as their bytes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    before = sys.stdout, sys.stderr
    if before[0] is not None and hasattr(before[0], "reconfigure"):
        utf8 = before[0].encoding.lower().replace("-", "") == "utf8"
        before[0].reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    end: SystemExit | None = None
    with open(os.devnull, "w", encoding="utf-8") as null:
        out, err = (PatientStream(stream or null) for stream in before)
        sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
        try:
            try:
                yield
            except SystemExit as error:
                if error.code:
                    raise
                end = error
            out.flush()
            if out.lost is not None:
                if out.lost.errno != errno.EPIPE:  # whoever reads no more knows it
                    click.echo(f"Error: standard output could not be written: {out.lost.strerror}.", err=True)
                raise SystemExit(1)
            if end is not None:
                raise end
        finally:
            err.flush()
            sys.stdout, sys.stderr = before
