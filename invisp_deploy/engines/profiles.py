"""Which picture sizes an engine takes: one fixed tile, or a range on request.

A fixed tile is the default: the builder knows every shape, CUDA graphs apply, and memory is known beforehand.
"""

from __future__ import annotations

import re
from typing import Final

from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.runtimes.tensorrt.engine_card import Profile

DEFAULT_TILE: Final = "1024"

MOST_ELEMENTS: Final = 2**31 - 1
"""Elements that a tensor of TensorRT may have; beyond it the builder of 1.7 writes a plan all the same."""


def parse_size(text: str, option: str) -> tuple[int, int]:
    """ "1024" -> (1024, 1024), "768x1024" -> (768, 1024): height and width, pixels. Raises RequestError."""
    match = re.fullmatch(r"([1-9]\d{0,5})(?:x([1-9]\d{0,5}))?", text)
    if match is None:
        raise RequestError(f"{option} takes a height and width in pixels such as 1024 or 768x1024, got {text!r}.")
    return int(match[1]), int(match[2] or match[1])


def make_profile(card: GraphCard, tile: str | None = None, sizes: tuple[str, str, str] | None = None) -> Profile:
    """The checked profile of `tile` (default `DEFAULT_TILE`) or `sizes`, not of both. Raises RequestError."""
    if tile is not None and sizes is not None:
        raise RequestError("`tile` fixes one size and `sizes` give a range: pass one of them.")
    if sizes is None:
        size = parse_size(tile or DEFAULT_TILE, "`tile`")
        profile = Profile(size, size, size)
    else:
        profile = Profile(*(parse_size(text, "`sizes`") for text in sizes))
    check_profile(profile, card, "`tile`" if sizes is None else "`sizes`")
    return profile


def check_profile(profile: Profile, card: GraphCard, option: str = "`sizes`") -> None:
    """Raise RequestError unless an engine of that graph can be built for the sizes and tile with the largest.

    Sides are multiples of the card's `multiple`, do not shrink from smallest to largest, and the largest keeps a core
    between two halos: pictures beyond it are cut into tiles of that size.
    """
    config, multiple, halo = card.config, card.multiple, card.reach
    order = (profile.smallest, profile.optimal, profile.largest)
    for size in order:
        if size[0] % multiple or size[1] % multiple:
            raise RequestError(
                f"{option} must have sides that are multiples of {multiple} for {config}, got {_text(size)}: "
                f"pass {_text((_up(size[0], multiple), _up(size[1], multiple)))}."
            )
    if any(low[axis] > high[axis] for low, high in zip(order, order[1:], strict=False) for axis in (0, 1)):
        raise RequestError(
            f"{option} goes from the smallest to the largest size, each side for itself, got "
            f"{' '.join(_text(size) for size in order)}: sort them."
        )
    if min(profile.largest) <= 2 * halo:
        raise RequestError(
            f"{option} {_text(profile.largest)} leaves no core: {config} needs a halo of {halo} pixels to every side "
            f"of a tile, so its sides must be larger than {2 * halo}."
        )
    squeezed = config.squeeze**2  # pixels to one element of a channel
    elements = config.widest * profile.largest[0] * profile.largest[1] // squeezed
    if elements > MOST_ELEMENTS:
        most = int((MOST_ELEMENTS * squeezed / config.widest) ** 0.5) // multiple * multiple
        raise RequestError(
            f"{option} {_text(profile.largest)} makes a tensor of {elements} elements, TensorRT takes {MOST_ELEMENTS}: "
            f"pass at most {_text((most, most))}; larger pictures are tiled."
        )


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
