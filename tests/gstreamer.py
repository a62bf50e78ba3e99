"""GStreamer, where it is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

needs_gstreamer = pytest.mark.skipif(
    shutil.which("gst-launch-1.0") is None, reason="gst-launch-1.0 is not installed: run scripts/install_clients.sh"
)


def launch(pipeline: str, data: bytes = b"") -> bytes:
    """What a pipeline writes to standard output, given that on standard input."""
    done = subprocess.run(["gst-launch-1.0", "-q", *pipeline.split()], input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
