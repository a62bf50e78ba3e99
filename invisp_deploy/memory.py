"""Peak memory of this process.

The kernel's VmHWM. Not `getrusage`, whose maximum a child takes over from the process that started it.
"""

from __future__ import annotations

from pathlib import Path

from invisp_deploy.errors import EngineError


def peak_memory() -> int:
    """Largest resident memory since this process started or since `forget_peak`, bytes.

    Raises EngineError where the kernel does not tell.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise EngineError("/proc/self/status does not tell VmHWM: peak memory cannot be measured on this system.")


def forget_peak() -> None:
    """Let the peak begin at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")
