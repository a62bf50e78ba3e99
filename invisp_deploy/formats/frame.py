"""One RAW frame: the mosaic of a file and what the file states of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RawFileError
from invisp_deploy.formats.metadata import NONE, Metadata
from invisp_deploy.formats.negative import Negative
from invisp_deploy.isp.frame import FrameFacts, Mosaic
from invisp_deploy.isp.recipe import Recipe, recipe_for


@dataclass(frozen=True)
class RawFrame(FrameFacts):
    """A Bayer mosaic in sensor order (never rotated) with its camera data.

    mosaic: (H, W) uint16, DN, at least 2x2.
    metadata: what the file says of the picture for people.
    negative: what a DNG says of its development beside that; None for a file that is no DNG.
    notes: sentences on what the file holds and the frame does not; of a picture, on what is not as it was rendered.
    preview: (h, w, 3) uint8 sRGB in sensor order for files that hold one; None where there is none yet.
    """

    mosaic: Mosaic = field(kw_only=True)
    metadata: Metadata = field(default_factory=Metadata, kw_only=True, repr=False)
    negative: Negative | None = field(default=None, kw_only=True, repr=False)
    notes: tuple[str, ...] = field(default=(), kw_only=True, repr=False)
    preview: npt.NDArray[np.uint8] | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mosaic.ndim != 2 or self.mosaic.dtype != np.uint16 or min(self.mosaic.shape) < 2:
            raise RawFileError(
                f"A mosaic is a uint16 array of at least 2x2, got {self.mosaic.dtype} {self.mosaic.shape}."
            )

    @classmethod
    def of(
        cls,
        facts: FrameFacts,
        mosaic: Mosaic,
        metadata: Metadata = NONE,
        preview: npt.NDArray[np.uint8] | None = None,
        negative: Negative | None = None,
    ) -> RawFrame:
        """A mosaic of which these facts hold."""
        return cls(**_facts(facts), mosaic=mosaic, metadata=metadata, preview=preview, negative=negative)

    @property
    def facts(self) -> FrameFacts:
        """All but the mosaic and what comes with it."""
        return FrameFacts(**_facts(self))

    def recipe(self, contract: CameraContract) -> Recipe:
        """The contract's rules resolved for this frame. Raises ContractError as `isp.recipe.recipe_for`."""
        return recipe_for(self, self.mosaic, contract)

    def save(self, path: str | Path, *, overwrite: bool = True) -> None:
        """Write it as a DNG, whole or not at all. Raises as `write_dng`."""
        from invisp_deploy.formats.dng import write_dng

        write_dng(Path(path), self, overwrite=overwrite)


def _facts(frame: FrameFacts) -> dict[str, Any]:
    return {each.name: getattr(frame, each.name) for each in fields(FrameFacts)}
