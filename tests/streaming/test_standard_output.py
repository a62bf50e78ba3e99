"""Standard output as programs behind a pipe see it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from invisp_deploy.errors import OutputError
from invisp_deploy.streaming.standard_output import write_frame

WITH_FRAMES = """
import os, sys
from invisp_deploy.streaming.standard_output import frames_on_standard_output, write_frame
print("before")
with frames_on_standard_output() as descriptor:
    print("printed meanwhile")
    os.system("echo by another program")
    write_frame(descriptor, [b"frame ", memoryview(bytes(3 << 20))])
print("behind")
"""


def test_only_frames_stand_there() -> None:
    done = subprocess.run([sys.executable, "-c", WITH_FRAMES], capture_output=True)
    assert done.stdout == b"before\nframe " + bytes(3 << 20) + b"behind\n"
    assert sorted(done.stderr.decode().splitlines()) == ["by another program", "printed meanwhile"]


def test_a_terminal_is_refused() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", WITH_FRAMES], stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 1
    assert b"RequestError: Frames would go to standard output, which is a terminal" in done.stderr


def test_a_reader_that_has_gone_and_a_full_disk_are_told_apart() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(OutputError, match="has gone"):
        write_frame(writing, [b"frame"])
    os.close(writing)
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OutputError, match="No space left"):
        write_frame(full, [b"frame"])
    os.close(full)
