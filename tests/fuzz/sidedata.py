"""What brings a RAW back better than the network: the layers of `sidedata`, each for a small mosaic, and all of them in
pictures of which nothing but they gives the RAW.
"""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats import jpeg
from invisp_deploy.formats.gain_map import GAIN_MAP_LAYER, GainMap
from invisp_deploy.formats.layers import from_packets, to_packets
from invisp_deploy.formats.multi_picture import packets_behind
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.rendering.hdr import linear_of
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.predictor import PREDICTOR_LAYER
from invisp_deploy.sidedata.residual import RESIDUAL_LAYER, decode_residual, encode_residual, uniform_bound
from invisp_deploy.sidedata.restored import restoring
from tests.fuzz.mutate import of_bytes
from tests.fuzz.target import Target
from tests.sidedata.frames import blown_frame
from tests.sidedata.test_residual import noise_bound, noisy

_SIZES = ((32, 48), (7, 9))


@lru_cache(maxsize=1)
def _residuals() -> Sequence[bytes]:
    bounds = (uniform_bound(0), uniform_bound(8), noise_bound())
    return [encode_residual(*noisy(*size), bound) for size in _SIZES for bound in bounds]


def residual(data: bytes, folder: Path) -> None:
    """Nothing comes back that was not encoded: it is one of the corpus, or refused."""
    rows = int.from_bytes(data[1:3], "little")
    true, predicted = noisy(*next((size for size in _SIZES if size[0] == rows), _SIZES[0]))
    back = decode_residual(data, predicted, "it")
    assert np.abs(back.astype(int) - true).max() <= noise_bound().max()


@lru_cache(maxsize=1)
def _pictures() -> Sequence[bytes]:
    """With a predictor and a gain map; with a residual, too; with what is large behind the pixels; and with a gain map
    that is one by its header alone.
    """
    made = []
    with load("closed-form") as model, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"

        def keep(picture: Picture, **how: bool) -> None:
            picture.save(path, **how)
            made.append(path.read_bytes())

        plain, exact = (
            model.render(blown_frame(96, 128), RunOptions(raw_budget=budget))
            for budget in (RawBudget(), RawBudget(max_error=0))
        )
        keep(plain)
        keep(exact)
        keep(replace(exact, layers={"large": bytes(70_000)}), web=True)
        assert plain.gain_map is not None
        image = plain.gain_map.image
        scan = jpeg.start_of_scan(image) + 14
        keep(replace(plain, gain_map=GainMap(image[:scan] + bytes(range(200)) + jpeg.END, plain.gain_map.sixteenths)))
    return made


def restored(data: bytes, folder: Path) -> None:
    """A picture's light, and its RAW by its layers; where one is refused, once more without what is damaged."""
    path = folder / "a.jpg"
    path.write_bytes(data)
    try:
        _read_by_layers(path, force=False)
    except ImageFileError:
        _read_by_layers(path, force=True)
        raise


def _read_by_layers(path: Path, *, force: bool) -> None:
    picture = read_picture(path, force=force, max_pixels=20)
    linear_of(picture)
    carried = restoring(picture, "it")
    if carried is not None and not carried.needs_network:
        carried.mosaic("it")


def _with_another_layer(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Changes of bytes, or a layer that was changed, or is another picture's, under a checksum that is right."""
    if rng.random() < 0.3:
        return of_bytes(data, others, rng)
    carried, theirs = (_layers(each) for each in (data, rng.choice(others)))
    name = rng.choice([each for each in (PREDICTOR_LAYER, RESIDUAL_LAYER, GAIN_MAP_LAYER) if each in carried])
    layer = theirs.get(name, b"") if rng.random() < 0.2 else of_bytes(carried[name], [carried[name]], rng)
    packets = to_packets({**carried, name: layer}, jpeg.MOST_PACKET)
    return b"".join(map(bytes, jpeg.with_packets(data.replace(b"InvISP\0", b"InvISQ\0"), packets)))


def _layers(data: bytes) -> dict[str, bytes]:
    header = jpeg.header_of_jpeg(data)
    return from_packets([*header.packets, *packets_behind(header, io.BytesIO(data))])[0]


TARGETS = (
    Target("residual", _residuals, residual, share=6),
    Target("picture by its layers", _pictures, restored, _with_another_layer, 0.6),
)
