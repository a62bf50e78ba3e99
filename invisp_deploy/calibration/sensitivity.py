"""Which functions int8 hurts, and the fewest layers that must stay fp16: for a small loss, and for the check of export.

The two ask for different layers. What photographs lose is lost evenly, most of it where few channels come in or go out,
so the ends of functions stay first. Export checks with a made picture whose colours may leave the ranges of a few
photographs; then a function saturates as a whole, and as a whole it must stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from invisp_deploy.arithmetic import Arithmetic, coupling_functions
from invisp_deploy.calibration.loss import Bench
from invisp_deploy.errors import CalibrationError
from invisp_deploy.export.parity import headroom
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.network.lowered import lowered

_MARGIN: Final = 0.1
"""dB that the simulation must have to spare, so that its graph, which rounds at other places, passes as well."""


@dataclass(frozen=True)
class Search:
    """kept: layers left fp16. drop: dB of RAW PSNR that the int8 graph with them loses. tried: layers -> drop."""

    kept: tuple[str, ...]
    drop: float
    tried: Mapping[int, float]


def sensitivities(
    bench: Bench, all_int8: Arithmetic, exact: float, on_block: Callable[[int], object] = lambda count: None
) -> dict[str, float]:
    """Dense block -> dB of RAW PSNR lost with that one in int8 and all else in fp32. exact: dB of fp32."""
    found = {}
    for name in coupling_functions(bench.network.config):
        found[name] = exact - bench.raw(_only(bench.network, name, all_int8))
        on_block(1)
    return found


def keeping(ranked: Sequence[str], level: int, depth: int) -> tuple[str, ...]:
    """The layers that stay fp16 at a level: the ends of so many functions, then, past all, whole ones.

    The ends are the first and the last of its `depth` convolutions: few channels in or out, and next to the spine.

    ranked: functions, most sensitive first. level: 0 keeps nothing, 2 len(ranked) everything.
    """
    whole = set(ranked[: max(0, level - len(ranked))])
    names: list[str] = []
    for name in ranked[:level]:
        names += [name] if name in whole else [f"{name}.conv{end}" for end in (1, depth)]
    return tuple(sorted(names))


def fewest_kept(drop_at: Callable[[tuple[str, ...]], float], ranked: Sequence[str], limit: float, depth: int) -> Search:
    """Bisection over the levels of `keeping` for the lowest one that loses at most `limit` dB.

    drop_at: layers -> dB measured with them. Takes it that more fp16 loses less; the level returned was measured.
    Where not even all fp16 stays within the limit, all is kept, and `drop` says so.
    """
    tried: dict[int, float] = {}

    def drop(level: int) -> float:
        if level not in tried:
            tried[level] = drop_at(keeping(ranked, level, depth))
        return tried[level]

    low, high = 0, 2 * len(ranked)
    if drop(0) <= limit:
        high = 0
    elif drop(len(ranked)) <= limit:  # whole blocks are not needed, which halves the search
        high = len(ranked)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if drop(middle) <= limit else (middle + 1, high)
    return Search(keeping(ranked, high, depth), drop(high), dict(sorted(tried.items())))


def kept_for_export(
    network: InvISP,
    arithmetic: Arithmetic,
    on_block: Callable[[int], object] = lambda count: None,
) -> tuple[str, ...]:
    """Functions to keep in fp16 beside those of the arithmetic, so that export will take its graphs; none if it would.

    Those that alone do the most harm there go first. Raises CalibrationError where not even all in fp16 pass.
    """

    def spare(kept: frozenset[str]) -> float:
        whole = replace(arithmetic, kept=arithmetic.kept | kept)
        return headroom(network, lowered(network, whole), arithmetic.precision) - _MARGIN

    if spare(frozenset()) >= 0:
        return ()
    alone = {}
    for name in coupling_functions(network.config):
        alone[name] = headroom(network, _only(network, name, arithmetic), arithmetic.precision)
        on_block(1)
    ranked = sorted(alone, key=lambda name: alone[name])
    for count in range(1, len(ranked) + 1):
        if spare(frozenset(ranked[:count])) >= 0:
            return tuple(sorted(ranked[:count]))
    raise CalibrationError(
        f"Export would refuse these weights in {arithmetic.precision}, even with every layer in fp16: export them in "
        "fp32, or train them further."
    )


def kept_share(network: InvISP, kept: Sequence[str]) -> float:
    """Share of the multiply-accumulates of F, G and H that the kept layers do."""
    total = stays = 0
    for index, block in enumerate(network.blocks()):
        for part in network.config.functions:
            dense = f"block{index}.{part}"
            for number in range(1, network.config.depth + 1):
                count = getattr(getattr(block, part), f"conv{number}").weight.numel()
                total += count
                stays += count * (dense in kept or f"{dense}.conv{number}" in kept)
    return stays / total


def _only(network: InvISP, dense: str, arithmetic: Arithmetic) -> InvISP:
    """The fp32 network with one function lowered."""
    result = lowered(network, arithmetic)
    for index, (block, original) in enumerate(zip(result.blocks(), network.blocks(), strict=True)):
        for part in network.config.functions:
            if f"block{index}.{part}" != dense:
                block.add_module(part, getattr(original, part))
    return result
