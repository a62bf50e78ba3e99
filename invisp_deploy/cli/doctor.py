"""`invisp doctor`: what is installed on this machine, what of it works, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress
from invisp_deploy.cli.options import json_option

if TYPE_CHECKING:
    from invisp_deploy.device.examine import Examination

_STATUS: Final = {"ok": "ok    ", "failed": "FAILED", "absent": "absent"}


@click.command("doctor", cls=InvispCommand)
@json_option
def doctor_command(as_json: bool) -> None:
    """Say what is installed, from where, what of it works, and what to do. Installs nothing.

    Every ONNX Runtime provider and every NVIDIA library is really tried, each in a process of its own. Exits
    with 1 only if rendering on the CPU does not work.
    """
    from invisp_deploy.device.advice import advise
    from invisp_deploy.device.examine import examine

    bar = progress(0, "trying", quiet=as_json)
    try:
        found = examine(bar.set_description)
    finally:
        bar.close()
    advice = advise(found)
    if as_json:
        print_json({**found.to_dict(), "advice": advice})
    else:
        for line in _doctor_lines(found, advice):
            click.echo(line)
    if not found.renders:
        sys.exit(1)


def _doctor_lines(found: Examination, advice: Sequence[str]) -> Iterator[str]:
    """Machine, packages with their folders, trials, advice."""
    for name, text in found.machine.to_dict().items():
        yield f"{name:14} {text}"
    yield ""
    width = max(len(package.module) for package in found.packages)
    for package in found.packages:
        names = ", ".join(f"{one.name} {one.version}" for one in package.distributions)
        yield f"{package.module:{width}} {package.version or 'absent':14} {package.path}"
        if len({one.name for one in package.distributions}) > 1 or (package.path and not package.distributions):
            yield f"{'':{width + 15}} {'from ' + names if names else 'no metadata: not installed by pip'}"
    yield ""
    width = max(len(trial.name) for trial in found.trials)
    for trial in found.trials:
        yield f"{_STATUS[trial.status]} {trial.name:{width}}  {trial.text}"
    yield ""
    yield from (f"to do: {line}" for line in advice)
