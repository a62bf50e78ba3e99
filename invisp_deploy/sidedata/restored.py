"""The mosaic of a picture by the layers that it carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.record import Record
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.shading import with_shading
from invisp_deploy.sidedata.highlights import highlights_of
from invisp_deploy.sidedata.linear import Highlights
from invisp_deploy.sidedata.predictor import PREDICTOR_LAYER, Predictor, digest_of
from invisp_deploy.sidedata.residual import RESIDUAL_LAYER, decode_residual, residual_bound


@dataclass(frozen=True)
class Restoring:
    """How the mosaic of a picture is made of what it carries.

    residual: the layer; empty where it carries none, or none that can be used. notes: sentences on what is gone.
    """

    picture: Picture
    record: Record
    predictor: Predictor
    highlights: Highlights | None
    residual: bytes = b""
    notes: tuple[str, ...] = ()

    @property
    def needs_network(self) -> bool:
        """Pixels that do not clip are the network's inverse."""
        return self.predictor.open is None

    @property
    def means(self) -> str:
        """What the mosaic is made by, and how far off it may be, in words."""
        if not self.residual:
            return "its predictor"
        brightest = max(self.predictor.white, *self.predictor.saturated)  # none is predicted above
        bound = residual_bound(self.residual, "the picture")[: brightest + 1]
        least, most = int(bound.min()), int(bound.max())
        within = f"{most} DN" if least == most else f"{least} to {most} DN"
        return f"its residual, within {within}" if most else "its residual, exact"

    def mosaic(self, name: str, base: Mosaic | None = None) -> Mosaic:
        """(H, W) DN of the frame, without what alignment added. base: by the network, aligned, where it is needed.

        Raises ImageFileError, which calls the picture `name`, for layers that are damaged or were made of other pixels
        than these.
        """
        predicted = self.predictor.predict(self.picture.pixels, self.highlights, base)
        recipe = self.record.recipe
        aligned = with_shading(predicted, recipe.shading, recipe.black)
        own = np.ascontiguousarray(self.record.alignment.inverse(aligned))
        return decode_residual(self.residual, own, name) if self.residual else own


def restoring(picture: Picture, name: str) -> Restoring | None:
    """What a picture with a record carries for its way back; None where that is the record alone.

    Raises ImageFileError, which calls the picture `name`, for layers that are damaged or another picture's.
    """
    record = picture.record
    if record is None or picture.fault:
        return None
    if PREDICTOR_LAYER not in picture.layers:
        if RESIDUAL_LAYER not in picture.layers:
            return None
        raise ImageFileError(
            f"{name} has lost the predictor that its residual belongs to: use the file as it was rendered, or leave "
            "the layers aside by `raw_budget` 0."
        )
    predictor = Predictor.from_bytes(picture.layers[PREDICTOR_LAYER], name)
    if not record.digest.startswith(predictor.picture):
        raise ImageFileError(
            f"The predictor that {name} carries is another picture's: use the file as it was rendered, or leave the "
            "layers aside by `raw_budget` 0."
        )
    highlights, residual, gone = None, b"", []
    if predictor.clipped is not None:
        if picture.gain_map is not None:
            highlights = highlights_of(picture.gain_map, *picture.pixels.shape[:2])
        if highlights is None:
            gone.append("gain map")
    if predictor.decoded:
        if RESIDUAL_LAYER not in picture.layers:
            gone.append("residual")
        elif not gone:
            _check_decoder(picture, predictor, name)
            residual = picture.layers[RESIDUAL_LAYER]
    left = "the RAW is not within its bound" if predictor.decoded else "what it clips is not as it was"
    notes = (f"{name} has lost its {' and its '.join(gone)}: {left}.",) if gone else ()
    return Restoring(picture, record, predictor, highlights, residual, notes)


def _check_decoder(picture: Picture, predictor: Predictor, name: str) -> None:
    """Refuse pixels of another decoder than libjpeg's integer one, with which all but hardware and GPUs agree."""
    if digest_of(picture.pixels) != predictor.decoded:
        raise ImageFileError(
            f"{name} was decoded to other pixels than its residual was made for: decode it by libjpeg-turbo (Pillow's "
            "own), or leave the layers aside by `raw_budget` 0."
        )
