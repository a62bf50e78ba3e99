"""What `invisp verify` and `invisp doctor` print for people, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invisp_deploy.device.examine import Examination
    from invisp_deploy.device.layers import Layer, Summary
    from invisp_deploy.device.verify import Verification

__all__ = ["doctor_lines", "layer_lines", "verification_lines"]

_STATUS = {"ok": "ok    ", "failed": "FAILED", "absent": "absent"}


def verification_lines(done: Verification) -> Iterator[str]:
    """One line a figure with its limit, one a latency."""
    for figure in done.figures:
        bound = f"at {'least' if figure.at_least else 'most'} {figure.limit:g}"
        value = f"{figure.value:.1f}" if figure.unit == "dB" else f"{figure.value:.2g}"
        yield f"{'ok    ' if figure.ok else 'FAILED'} {figure.name:24} {value:>8} {figure.unit:6}  {bound}"
    for latency in done.latencies:
        height, width = latency.shape
        yield (
            f"       {latency.direction + ' latency':24} {latency.p50:8.2f} ms p50, {latency.p90:.2f} ms p90 of "
            f"{latency.runs} runs at {height}x{width}, copies included"
        )


def layer_lines(layers: Sequence[Layer], summary: Summary) -> Iterator[str]:
    """The table in order of computation, then where it begins, where it breaks and where it is worst."""
    yield f"{'tensor':20} {'dB':>7} {'error':>9} {'peak':>8}  shape"
    for layer in layers:
        shape = "x".join(map(str, layer.shape))
        yield f"{layer.name:20} {layer.psnr:7.1f} {layer.error:9.1e} {layer.peak:8.3f}  {shape}"
    worst = f"worst: {summary.worst.name} at {summary.worst.psnr:.1f} dB of its own peak"
    if summary.parted is None:
        yield f"no tensor parts: all {len(layers)} stay above 100 dB; {worst}"
        return
    yield f"the graphs part at {summary.parted.name}, {summary.parted.psnr:.1f} dB"
    if summary.strayed is not None:
        yield (
            f"strays first at {summary.strayed.name}: {summary.strayed.psnr:.1f} dB, {summary.step:.1f} dB below all "
            "before it, the biggest step down"
        )
    yield worst


def doctor_lines(found: Examination, advice: Sequence[str]) -> Iterator[str]:
    """Machine, packages with their folders, trials, advice."""
    for name, text in found.machine.to_dict().items():
        yield f"{name:14} {text}"
    yield ""
    for package in found.packages:
        names = ", ".join(f"{one.name} {one.version}" for one in package.distributions)
        yield f"{package.module:14} {package.version or 'absent':14} {package.path}"
        if len({one.name for one in package.distributions}) > 1 or (package.path and not package.distributions):
            yield f"{'':29} {'from ' + names if names else 'no metadata: not installed by pip'}"
    yield ""
    width = max(len(trial.name) for trial in found.trials)
    for trial in found.trials:
        yield f"{_STATUS[trial.status]} {trial.name:{width}}  {trial.text}"
    yield ""
    yield from (f"to do: {line}" for line in advice)
