"""Peers beside our cases: made for each direction and tile, compared with PyTorch eager before any clock starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invisp_deploy.benchmark.cases import Case, Key, feeds_for
from invisp_deploy.benchmark.peers import EAGER, PEERS, open_peer
from invisp_deploy.errors import ContractError
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.runtimes.base import Array
from invisp_deploy.tolerances import TOLERANCES, parity_for

_CAP = 200.0


@dataclass(frozen=True)
class Failed:
    """A case that is not timed, and why."""

    key: Key
    why: str


@dataclass(frozen=True)
class SideBySide:
    """cases: ours and the peers that may be timed. failed: those that may not. psnr: of each case, by its key, dB
    against PyTorch eager on the same input, at most 200; cases of other weights or interfaces have none."""

    cases: tuple[Case, ...]
    failed: tuple[Failed, ...]
    psnr: dict[Key, float]


def side_by_side(
    cases: Sequence[Case],
    checkpoint: Path,
    device: str,
    threads: int,
    folder: Path,
    progress: Callable[[int], object] = lambda peers: None,
) -> SideBySide:
    """Peers of the checkpoint for each direction and tile of the tensor graphs that have its weights.

    device: "cpu" or "cuda". folder: for naive exports. What PyTorch or ONNX Runtime refuse, or compute otherwise than
    PyTorch eager by more than the tolerance of its precision, is in `failed`. Raises ContractError where no case has
    the checkpoint's weights, and as `load_checkpoint`.
    """
    weights = load_checkpoint(checkpoint).weights
    ours = [case for case in cases if case.runtime.card.weights == weights and case.runtime.card.form == "tensor"]
    if not ours:
        found = ", ".join(sorted({case.runtime.card.weights[:12] for case in cases}))
        raise ContractError(
            f"{checkpoint} has the weights {weights[:12]}, the tensor graphs to measure have others ({found}): pass "
            "graphs that were exported from it."
        )
    kept: list[Case] = []
    failed: list[Failed] = []
    figures: dict[Key, float] = {}
    for direction, tile in dict.fromkeys((case.runtime.card.direction, case.tile) for case in ours):
        alike = [case for case in ours if (case.runtime.card.direction, case.tile) == (direction, tile)]
        expected: Array | None = None
        for name in PEERS[device]:
            naive = folder / f"{direction.value}-{tile[0]}x{tile[1]}.onnx"
            task: dict[str, Any] = {
                "kind": "tile",
                "peer": name,
                "checkpoint": str(checkpoint),
                "direction": direction.value,
            }
            task |= {"device": device, "threads": threads, "tile": list(tile), "naive": str(naive)}
            precision = "fp16" if "half" in name else "fp32"
            key = replace(alike[0].key, runtime=name, precision=precision, label="")
            try:
                runtime = open_peer(task)
                case = Case(key, runtime, feeds_for(runtime, *tile), tile, task)
                output = case.run()
            except Exception as error:  # PyTorch and its compilers raise what they like; it is reported, not hidden
                failed.append(Failed(key, f"failed: {type(error).__name__}: {_first_line(error)}"))
            else:
                expected = output if name == EAGER else expected
                _judge(case, output, expected, kept, failed, figures)
            progress(1)
        for case in alike:
            _judge(case, case.run(), expected, kept, failed, figures)
    own = {case.key for case in ours}
    order = {case.key: place for place, case in enumerate(cases)}
    timed = sorted(
        (*kept, *(case for case in cases if case.key not in own)), key=lambda case: order.get(case.key, len(order))
    )
    return SideBySide(tuple(timed), tuple(failed), figures)


def _judge(
    case: Case,
    output: Array,
    expected: Array | None,
    kept: list[Case],
    failed: list[Failed],
    figures: dict[Key, float],
) -> None:
    """Keep the case if it computes what PyTorch eager does, in the precision that it has."""
    if expected is None:
        failed.append(Failed(case.key, f"failed: there is no output of {EAGER} to compare it with"))
        return
    card = case.runtime.card
    figure = min(psnr(output, expected), _CAP)
    half = "half" in case.key.runtime
    kind = case.runtime.engine.backend if case.runtime.engine is not None else "onnxruntime"
    limit = TOLERANCES["peer-half-psnr"].limit if half else parity_for(kind, card.precision, card.direction.value).psnr
    if figure >= limit:
        figures[case.key] = figure
        kept.append(case)
    else:
        failed.append(Failed(case.key, f"failed: {figure:.1f} dB against {EAGER}, at least {limit:g} dB are needed"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason was given"])[0]
