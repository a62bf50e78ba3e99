"""Values given by hand, for pictures that carry no way back and RAW files that lack a white balance."""

from __future__ import annotations

from dataclasses import dataclass

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.formats import exif as exif_tags
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.record import Record
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.isp.alignment import Border, border_for
from invisp_deploy.isp.frame import RawFrame
from invisp_deploy.isp.levels import levels_of

__all__ = ["Explicit", "explicit_record"]


@dataclass(frozen=True)
class Explicit:
    """White-balance gains of R, G, B; black and white level in DN; CFA of the RAW file to recover."""

    white_balance: tuple[float, float, float] | None = None
    black: float | None = None
    white: int | None = None
    cfa: str | None = None


def explicit_record(explicit: Explicit, picture: Picture, card: GraphCard, name: str) -> Record:
    """A way back for a picture that carries none. Raises RequestError for a value that is missing."""
    import numpy as np

    if (
        explicit.white_balance is None
        or explicit.black is None
        or explicit.white is None
        or explicit.cfa not in CFA_PATTERNS
    ):
        raise RequestError(
            f"{name} carries no way back: --force needs --white-balance R,G,B, --black DN, --white DN and --cfa (one "
            f"of {', '.join(CFA_PATTERNS)})."
        )
    height, width = picture.pixels.shape[:2]
    if card.contract.cfa not in ("any", explicit.cfa):
        raise ContractError(f"These weights recover {card.contract.cfa} mosaics: pass --cfa {card.contract.cfa}.")
    if border_for((height, width), explicit.cfa, "any", card.step) != Border():
        raise RequestError(
            f"{name} is {width}x{height}, these weights take multiples of {card.step}: crop the picture."
        )
    make, model = exif_tags.make_and_model(exif_tags.load_exif(picture.exif))
    blacks = (explicit.black,) * 4
    frame = RawFrame(np.zeros((2, 2), np.uint16), explicit.cfa, blacks, explicit.white, explicit.white_balance)
    return Record(
        weights=card.weights,
        precision=card.precision,
        make=make,
        model=model,
        orientation=1,
        color_matrix=None,
        levels=levels_of(frame, card.contract),
        black=blacks,
        white=explicit.white,
        gains=explicit.white_balance,
        border=Border(),
        height=height,
        width=width,
        forced=True,
    )
