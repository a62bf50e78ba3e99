"""The machine in words: processor, GPU, driver, Jetson, virtual environment. Read from files and the driver alone."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice, find_device

_JETPACKS: Final = ((38, "7"), (36, "6"), (35, "5"), (32, "4"))


@dataclass(frozen=True)
class Machine:
    """processor, python: as Python names them. device: the GPU, None without one; driver: of its kernel module.

    jetson: the board's name, l4t: release of Jetson Linux such as "36.4.0"; both empty on other machines.
    environment: "system", "isolated" (a virtual environment) or "shared" (one that sees the system's packages).
    """

    system: str
    processor: str
    cores: int
    python: str
    prefix: str
    environment: str
    device: CudaDevice | None
    driver: str
    jetson: str
    l4t: str

    @property
    def jetpack(self) -> str:
        """Major version of JetPack, empty where there is none or it is older than 4."""
        major = self.l4t.partition(".")[0]
        if not major:
            return ""
        return next((jetpack for release, jetpack in _JETPACKS if int(major) >= release), "")

    def to_dict(self) -> dict[str, str]:
        """Flat text for reports; the GPU as `gpu`, `capability`, `cuda` (of the driver) and `gpu_memory`."""
        found = {
            "system": self.system,
            "processor": self.processor,
            "cores": str(self.cores),
            "python": self.python,
            "environment": self.environment,
            "gpu": "none",
        }
        if self.device is not None:
            found |= {
                "gpu": self.device.name,
                "capability": self.device.capability,
                "cuda": self.device.driver,
                "gpu_memory": f"{self.device.memory / 1e9:.1f} GB",
            }
        optional = {"driver": self.driver, "jetson": self.jetson, "l4t": self.l4t, "jetpack": self.jetpack}
        return found | {name: text for name, text in optional.items() if text}


def read_machine(root: Path = Path("/")) -> Machine:
    """This machine; `root` is where /proc, /sys and /etc are looked for."""
    release = re.search(r"R(\d+).*?REVISION: ([\d.]+)", _text(root / "etc" / "nv_tegra_release"))
    return Machine(
        system=platform.platform(),
        processor=f"{platform.machine()} {_processor(root)}".strip(),
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        prefix=sys.prefix,
        environment=_environment(),
        device=find_device(),
        driver=_text(root / "sys" / "module" / "nvidia" / "version"),
        jetson=_text(root / "proc" / "device-tree" / "model") if release else "",
        l4t=f"{release[1]}.{release[2]}" if release else "",
    )


def _environment() -> str:
    if sys.prefix == sys.base_prefix:
        return "system"
    settings = _text(Path(sys.prefix) / "pyvenv.cfg").lower()
    return "shared" if re.search(r"include-system-site-packages\s*=\s*true", settings) else "isolated"


def _processor(root: Path) -> str:
    named = re.search(r"^model name\s*:\s*(.*)$", _text(root / "proc" / "cpuinfo"), re.M)
    return named[1].strip() if named else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
