"""How files and frames are run, and values that are given by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from invisp_deploy.formats.limits import MAX_PIXELS
from invisp_deploy.isp.frame import ColorMatrix
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY
from invisp_deploy.sidedata.options import RawBudget


@dataclass(frozen=True)
class Explicit:
    """White-balance gains of R, G, B; black and white level in DN; CFA of the RAW file to recover; matrix from CIE XYZ
    (D65) to camera RGB, row by row.
    """

    white_balance: tuple[float, float, float] | None = None
    black: float | None = None
    white: int | None = None
    cfa: str | None = None
    color_matrix: ColorMatrix | None = None


@dataclass(frozen=True)
class RunOptions:
    """How a file is run. quality, subsampling: of a JPEG. memory: MB for a tile. halo: None is the exact one.

    no_location: positions and names of places are not written; no_metadata: nothing is that is not of the picture or
    the way back, which name the camera.
    overwrite: replace what is there, but no negative that is not ours; replace_negatives: such a one, too.
    force: go on with another camera, other weights, edited pixels or no record. explicit: values given by hand.
    max_pixels: megapixels that a file may claim to have. raw_budget: what pictures carry of their RAW; 0 on the way
    back leaves aside what they carry, all but the record. web: of a JPEG, layers larger than a segment stand behind
    the picture. tone_map: make a JPEG whose highlights are brought below white, with a gain map and no way back.
    """

    quality: int = 90
    subsampling: str = "4:2:2"
    memory: int = DEFAULT_MEMORY
    halo: int | None = None
    force: bool = False
    overwrite: bool = False
    replace_negatives: bool = False
    no_location: bool = False
    no_metadata: bool = False
    explicit: Explicit = field(default_factory=Explicit)
    max_pixels: float = MAX_PIXELS
    raw_budget: RawBudget = field(default_factory=RawBudget)
    web: bool = False
    tone_map: bool = False
