"""Everything looked at once: machine, packages, and each thing that could work really tried."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from invisp_deploy.device.machine import Machine, read_machine
from invisp_deploy.device.packages import Package, find_packages
from invisp_deploy.runtimes.plugins import PLUGINS

RENDERING: Final = "rendering on the CPU"
_SECONDS: Final = 300
_CHILD: Final = "import sys; sys.path[:] = {path!r}; from invisp_deploy.device.trial import main; main()"


@dataclass(frozen=True)
class Trial:
    """One thing tried. status: "ok", "failed" (there, but does not work) or "absent". text: how or why."""

    name: str
    status: str
    text: str


@dataclass(frozen=True)
class Examination:
    """What `invisp doctor` found."""

    machine: Machine
    packages: tuple[Package, ...]
    trials: tuple[Trial, ...]

    @property
    def renders(self) -> bool:
        return any(trial.name == RENDERING and trial.status == "ok" for trial in self.trials)

    def package(self, module: str) -> Package:
        return next(package for package in self.packages if package.module == module)

    def works(self, name: str) -> bool:
        return any(trial.name == name and trial.status == "ok" for trial in self.trials)

    def to_dict(self) -> dict[str, Any]:
        return {
            "machine": self.machine.to_dict(),
            "packages": [asdict(package) | {"version": package.version} for package in self.packages],
            "trials": [asdict(trial) for trial in self.trials],
            "renders": self.renders,
        }


def examine(on_trial: Callable[[str], object] = lambda name: None) -> Examination:
    """Look and try; takes seconds, with TensorRT's provider minutes. `on_trial` is told what is tried next."""
    machine, packages = read_machine(), find_packages()
    there = {package.module for package in packages if package.path}
    wanted: list[tuple[str, str, tuple[str, ...]]] = [(RENDERING, "onnxruntime", ("rendering",))]
    built_in = _providers()
    wanted += [(f"onnxruntime {name}", "onnxruntime", ("provider", name)) for name in built_in]
    wanted += [
        (f"onnxruntime {name}", plugin.module, ("provider", name))
        for name, plugin in PLUGINS.items()
        if name not in built_in
    ]
    wanted += [
        ("tensorrt", "tensorrt", ("backend", "tensorrt")),
        ("tensorrt-rtx", "tensorrt_rtx", ("backend", "tensorrt-rtx")),
        ("cuda-python", "cuda", ("cuda-python",)),
        ("torch", "torch", ("torch",)),
        ("onnx", "onnx", ("imports", "onnx")),
        ("polygraphy", "polygraphy", ("imports", "polygraphy")),
    ]
    trials = []
    for name, module, words in wanted:
        on_trial(name)
        trials.append(try_out(name, *words) if module in there else Trial(name, "absent", "not installed"))
    return Examination(machine, packages, tuple(trials))


def try_out(name: str, *words: str, seconds: float = _SECONDS) -> Trial:
    """Run one trial of `doctor.trial` in a process of its own that sees what this one sees."""
    command = [sys.executable, "-c", _CHILD.format(path=sys.path), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return Trial(name, "failed", f"did not answer within {seconds:g} s")
    if done.returncode < 0:
        return Trial(name, "failed", f"crashes ({signal.Signals(-done.returncode).name})")
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        return Trial(name, "ok" if answer["ok"] else "failed", str(answer["text"]))
    except (IndexError, ValueError, TypeError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Trial(name, "failed", f"ends with exit code {done.returncode}: {last}")


def _providers() -> list[str]:
    """What ONNX Runtime says it has, asked in a process of its own; the CPU first."""
    code = "import onnxruntime; print('\\n'.join(onnxruntime.get_available_providers()))"
    command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return []
    return sorted(
        (line for line in done.stdout.splitlines() if line.endswith("ExecutionProvider")),
        key=lambda name: name != "CPUExecutionProvider",
    )
