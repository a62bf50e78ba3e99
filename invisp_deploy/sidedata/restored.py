"""The mosaic of a picture by the layers that it carries."""

from __future__ import annotations

from dataclasses import dataclass

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.record import Record
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.sidedata.highlights import highlights_of
from invisp_deploy.sidedata.linear import Highlights
from invisp_deploy.sidedata.predictor import PREDICTOR_LAYER, Predictor


@dataclass(frozen=True)
class Restoring:
    """How the mosaic of a picture is made of what it carries.

    needs_network: pixels that do not clip are the network's inverse. notes: sentences on what is gone.
    """

    picture: Picture
    record: Record
    predictor: Predictor
    highlights: Highlights | None
    notes: tuple[str, ...] = ()

    @property
    def needs_network(self) -> bool:
        return self.predictor.open is None

    def mosaic(self, base: Mosaic | None = None) -> Mosaic:
        """(H, W) DN, aligned as the picture is. base: by the network, where it is needed."""
        return self.predictor.predict(self.picture.pixels, self.highlights, base)


def restoring(picture: Picture, name: str) -> Restoring | None:
    """What a picture with a record carries for its way back; None where that is the record alone.

    Raises ImageFileError, which calls the picture `name`, for layers that are damaged or another picture's.
    """
    if picture.record is None or picture.fault or PREDICTOR_LAYER not in picture.layers:
        return None
    predictor = Predictor.from_bytes(picture.layers[PREDICTOR_LAYER], name)
    if not picture.record.digest.startswith(predictor.picture) or predictor.cfa != picture.record.recipe.cfa:
        raise ImageFileError(
            f"The predictor that {name} carries is another picture's: use the file as it was rendered, or leave the "
            "layers aside by `raw_budget` 0."
        )
    highlights, notes = None, []
    if predictor.clipped is not None:
        if picture.gain_map is not None:
            highlights = highlights_of(picture.gain_map, *picture.pixels.shape[:2])
        if highlights is None:
            notes.append(f"what {name} clips is not as it was: its gain map is gone.")
    return Restoring(picture, picture.record, predictor, highlights, tuple(notes))
