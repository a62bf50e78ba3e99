"""What a graph says of itself: the metadata that export writes and every runtime reads."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import GraphError, InvispError
from invisp_deploy.plain_json import parse_json

_PREFIX: Final = "invisp."
PRECISIONS: Final = ("fp32", "fp16", "int8", "fp8")
"""Arithmetic of F, G and H; the spine, the inputs and the outputs are fp32 in all of them."""


FORMS: Final = ("mosaic", "tensor")
"""What goes in and out of a graph. `mosaic`: the frame's mosaic and its numbers, and the picture's codes, the steps of
`isp` inside; this is what runs. `tensor`: float32 planes of the network's domain and of sRGB, for training and
research; `runtimes.around` puts the steps around it."""

BITS: Final = (8, 16)
"""Of the picture's codes."""


class Direction(enum.Enum):
    """Which way a graph goes."""

    FORWARD = "forward"
    INVERSE = "inverse"

    @property
    def input_name(self) -> str:
        return "raw" if self is Direction.FORWARD else "srgb"

    @property
    def output_name(self) -> str:
        return "srgb" if self is Direction.FORWARD else "raw"


@dataclass(frozen=True)
class GraphCard:
    """Identity of one graph.

    weights: SHA-256 of the weights, the same for both directions. precision: arithmetic of F, G and H. versions: of
    the tools that wrote the graph. kept: layers of an int8 or fp8 graph that are fp16. scales: SHA-256 of the table of
    scales, the same for both directions. form: of `FORMS`. bits: of `BITS`, of a mosaic graph's picture. learned_on:
    the one camera whose files the weights were trained on; empty where there were several, or that is not known.

    Raises GraphError for a precision, form or depth that there is not.
    """

    direction: Direction
    config: NetworkConfig
    contract: CameraContract
    weights: str
    precision: str = "fp32"
    versions: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    scales: str = ""
    form: str = "mosaic"
    bits: int = 8
    learned_on: str = ""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("precision", self.precision, PRECISIONS),
            ("form", self.form, FORMS),
            ("bits", self.bits, BITS),
        ):
            if value not in known:
                raise GraphError(f"A graph's {name} is one of {', '.join(map(str, known))}, got {value!r}.")

    @property
    def multiple(self) -> int:
        """Pixels that heights and widths are multiples of: the squeeze, and 2 where a mosaic goes in or out."""
        return self.config.squeeze if self.form == "tensor" else math.lcm(self.config.squeeze, 2)

    @property
    def reach(self) -> int:
        """Exact receptive radius of all in the graph, pixels. Demosaicing adds two, rounded up to `multiple`."""
        demosaics = self.form == "mosaic" and self.direction is Direction.FORWARD
        return self.config.halo + (self.multiple if demosaics else 0)

    def to_metadata(self) -> dict[str, str]:
        """Flat text properties for ONNX `metadata_props`, in a fixed order; `learned_on` where there is one."""
        of_one = {f"{_PREFIX}learned_on": self.learned_on} if self.learned_on else {}
        return {
            f"{_PREFIX}direction": self.direction.value,
            f"{_PREFIX}config": json.dumps(self.config.to_dict(), sort_keys=True),
            f"{_PREFIX}contract": json.dumps(self.contract.to_dict(), sort_keys=True),
            f"{_PREFIX}weights": self.weights,
            f"{_PREFIX}precision": self.precision,
            f"{_PREFIX}kept": json.dumps(self.kept),
            f"{_PREFIX}scales": self.scales,
            f"{_PREFIX}form": self.form,
            f"{_PREFIX}bits": str(self.bits),
            f"{_PREFIX}versions": json.dumps(dict(self.versions), sort_keys=True),
            **of_one,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], source: str) -> GraphCard:
        """Strict inverse of `to_metadata`. `source` names the file in the GraphError for anything else."""
        if f"{_PREFIX}direction" not in metadata:
            raise GraphError(
                f"{source} is not a graph of invisp-deploy (its metadata does not say so): export one with "
                "`invisp export onnx`."
            )
        try:
            if wrong := [name for name, value in metadata.items() if not isinstance(value, str)]:
                raise ValueError(f"{wrong[0]} is no text")
            card = cls(
                direction=Direction(metadata[f"{_PREFIX}direction"]),
                config=NetworkConfig.from_dict(parse_json(metadata[f"{_PREFIX}config"])),
                contract=CameraContract.from_dict(parse_json(metadata[f"{_PREFIX}contract"])),
                weights=metadata[f"{_PREFIX}weights"],
                precision=metadata[f"{_PREFIX}precision"],
                versions=dict(parse_json(metadata[f"{_PREFIX}versions"])),
                kept=tuple(map(str, parse_json(metadata[f"{_PREFIX}kept"]))),
                scales=metadata[f"{_PREFIX}scales"],
                form=metadata[f"{_PREFIX}form"],
                bits=int(metadata[f"{_PREFIX}bits"]),
                learned_on=metadata.get(f"{_PREFIX}learned_on", ""),
            )
        except (KeyError, ValueError, TypeError, AttributeError, InvispError) as error:
            raise GraphError(
                f"{source} has damaged metadata, or that of another version ({error}): export it again."
            ) from error
        return card
