"""What a figure depends on beside the code: machine, clocks, versions, load, and the machine's matrix-product rate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from invisp_deploy.benchmark.alone import run_alone
from invisp_deploy.benchmark.nvml import open_nvml
from invisp_deploy.device.machine import read_machine
from invisp_deploy.versions import versions

COMPARED: Final = ("processor", "cores", "gpu", "capability", "jetson", "jetpack")
"""Facts of the machine that two measurements must share; beside them all of `clock_setup` and the threads."""

_CPU: Final = "sys/devices/system/cpu"


def describe(threads: int, root: Path = Path("/")) -> dict[str, Any]:
    """`machine`, `clock_setup`, `clocks_now`, `versions`, `threads` and `load_average` (1, 5, 15 minutes) for JSON."""
    nvml = open_nvml()
    return {
        "machine": read_machine(root).to_dict(),
        "clock_setup": clock_setup(root) | ({} if nvml is None else nvml.settings()),
        "clocks_now": {"cpu": _clocks_now(root)} | ({} if nvml is None else nvml.clocks()),
        "versions": versions(),
        "threads": threads,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def clock_setup(root: Path = Path("/")) -> dict[str, str]:
    """Governor, limits and boost of the processor, power mode of a Jetson; "not told" where sysfs has no word of it."""
    cores = sorted((root / _CPU).glob("cpu[0-9]*/cpufreq"))
    boost = _text(root / _CPU / "cpufreq/boost")
    no_turbo = _text(root / _CPU / "intel_pstate/no_turbo")
    if not boost and no_turbo:
        boost = {"0": "1", "1": "0"}.get(no_turbo, no_turbo)
    found = {
        "governor": _all(_text(core / "scaling_governor") for core in cores),
        "lowest": _all(_text(core / "scaling_min_freq") for core in cores),
        "highest": _all(_text(core / "scaling_max_freq") for core in cores),
        "boost": {"0": "off", "1": "on"}.get(boost, boost),
        "power mode": _text(root / "var/lib/nvpmodel/status"),
    }
    return {name: text or "not told" for name, text in found.items() if text or name != "power mode"}


def matrix_rate(threads: int) -> dict[str, Any]:
    """What NumPy's BLAS reaches with as many threads: `gflops` (median), `best` and `blas`; fp32, 1536x1536.

    In a process of its own, because a BLAS takes its number of threads when it is loaded.
    """
    return run_alone({"kind": "matrix"}, threads)


def _clocks_now(root: Path) -> str:
    lines = _text(root / "proc/cpuinfo").splitlines()
    clocks = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return f"{min(clocks):.0f} to {max(clocks):.0f} MHz" if clocks else "not told"


def _all(texts: Any) -> str:
    return ", ".join(sorted({text for text in texts if text}))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
