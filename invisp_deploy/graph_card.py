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
from invisp_deploy.errors import GraphError, RequestError

__all__ = ["CAMERA_LEVELS", "INTERFACES", "PRECISIONS", "Direction", "GraphCard"]

_PREFIX: Final = "invisp."
_FORMAT: Final = "1"
PRECISIONS: Final = ("fp32", "fp16", "int8", "fp8")
"""Arithmetic of F, G and H; the spine, the inputs and the outputs are fp32 in all of them."""


INTERFACES: Final = ("tensor", "camera", "camera-bytes")
"""What goes in and out of a graph: float32 tensors; or the uint16 mosaic and uint8 sRGB, the camera's arithmetic
inside; or the same with the mosaic as bytes, for TensorRT, which has no 16-bit unsigned type."""

CAMERA_LEVELS: Final = (("black", "float32", 4), ("white", "float32", 1), ("gains", "float32", 3), ("cfa", "int32", 4))
"""Further inputs of a camera graph: name, type and length. `camera.levels.Levels` holds the numbers."""


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

    weights: SHA-256 of the weights, the same for both directions. halo: exact receptive radius, image
    pixels. precision: arithmetic of F, G and H. versions: of the tools that wrote the graph. kept: layers of an
    int8 or fp8 graph that are fp16. scales: SHA-256 of the table of scales, the same for both directions.
    interface: of `INTERFACES`.
    """

    direction: Direction
    config: NetworkConfig
    contract: CameraContract
    weights: str
    halo: int
    precision: str = "fp32"
    versions: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    scales: str = ""
    interface: str = "tensor"

    @property
    def takes_mosaic(self) -> bool:
        """Whether the camera's arithmetic is in the graph."""
        return self.interface != "tensor"

    @property
    def step(self) -> int:
        """Pixels that heights and widths are multiples of: the squeeze, and 2 where a mosaic goes in or out."""
        return math.lcm(self.config.squeeze, 2) if self.takes_mosaic else self.config.squeeze

    @property
    def reach(self) -> int:
        """Exact receptive radius of all that is in the graph, pixels: demosaicing adds one, rounded up to `step`."""
        return self.halo + (self.step if self.takes_mosaic and self.direction is Direction.FORWARD else 0)

    def to_metadata(self) -> dict[str, str]:
        """Flat text properties for ONNX `metadata_props`, in a fixed order."""
        further = {f"{_PREFIX}kept": json.dumps(self.kept), f"{_PREFIX}scales": self.scales} if self.scales else {}
        if self.interface != "tensor":
            further[f"{_PREFIX}interface"] = self.interface
        return {
            f"{_PREFIX}format": _FORMAT,
            f"{_PREFIX}direction": self.direction.value,
            f"{_PREFIX}config": json.dumps(self.config.to_dict(), sort_keys=True),
            f"{_PREFIX}contract": json.dumps(self.contract.to_dict(), sort_keys=True),
            f"{_PREFIX}weights": self.weights,
            f"{_PREFIX}halo": str(self.halo),
            f"{_PREFIX}precision": self.precision,
            f"{_PREFIX}versions": json.dumps(dict(self.versions), sort_keys=True),
            **further,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], source: str) -> GraphCard:
        """Strict inverse of `to_metadata`. `source` names the file in the GraphError for anything else."""
        found = metadata.get(f"{_PREFIX}format")
        if found is None:
            raise GraphError(
                f"{source} is not a graph of invisp-deploy (its metadata does not say so): export one with "
                "`invisp-export onnx`."
            )
        if found != _FORMAT:
            raise GraphError(
                f"{source} has the metadata format {found}, this version reads {_FORMAT}: export it again with this "
                "version."
            )
        try:
            card = cls(
                direction=Direction(metadata[f"{_PREFIX}direction"]),
                config=NetworkConfig.from_dict(json.loads(metadata[f"{_PREFIX}config"])),
                contract=CameraContract.from_dict(json.loads(metadata[f"{_PREFIX}contract"])),
                weights=metadata[f"{_PREFIX}weights"],
                halo=int(metadata[f"{_PREFIX}halo"]),
                precision=metadata[f"{_PREFIX}precision"],
                versions=json.loads(metadata[f"{_PREFIX}versions"]),
                kept=tuple(map(str, json.loads(metadata.get(f"{_PREFIX}kept", "[]")))),
                scales=metadata.get(f"{_PREFIX}scales", ""),
                interface=metadata.get(f"{_PREFIX}interface", "tensor"),
            )
        except (KeyError, ValueError, TypeError, RequestError) as error:
            raise GraphError(f"{source} has damaged metadata ({error}): export it again.") from error
        if card.interface not in INTERFACES:
            raise GraphError(
                f"{source} has the interface {card.interface!r}, expected {', '.join(INTERFACES)}: export it again."
            )
        if card.halo != card.config.halo:
            raise GraphError(f"{source} states a halo of {card.halo}, its configuration has {card.config.halo}.")
        return card
