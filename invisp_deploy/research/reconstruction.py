"""The light that a JPEG of ours stands for, with and without its highlights, beside the camera's RAW (paper, section
6.3): as OpenEXR, tone mapped, and in figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.bars import Bars, no_bars
from invisp_deploy.errors import RequestError
from invisp_deploy.evaluation.files import facts_of_model, measured_each
from invisp_deploy.files import whole_file
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.hdr import WHITE_NITS
from invisp_deploy.formats.orientation import upright
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.pixels import clipped_pixels
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.steps import Float
from invisp_deploy.rendering.files import run_file
from invisp_deploy.rendering.hdr import linear_of
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.reconstruction import draw_reconstruction
from invisp_deploy.research.differences import colour_difference, lab_of, mean_figures
from invisp_deploy.research.pu21 import pu21_psnr
from invisp_deploy.research.scene import averaged, linear_to_srgb, own_window, scene_light, step_for
from invisp_deploy.research.tone_mapping import TONE_MAPPERS
from invisp_deploy.sidedata.options import RawBudget

LIGHTS: Final = {
    "without": "the JPEG without its highlights, which end at white (`--raw-budget 0`)",
    "carried": "with those that it carries without being asked, at most 64 kB",
    "hdr": "with those for screens (`--hdr`)",
}
"""What light is taken from -> in words."""

LIGHT_DEFINITIONS: Final = {
    "pu21": "PSNR in dB of values encoded by PU21 (Mantiuk and Azimi 2021; banding with glare, peak 256) of R, G and "
    "B against the camera's RAW, on a screen whose white has 203 cd/m2 and which ends at the stated peak.",
    "highest": "stops of luminance above white, the 99th percentile over the pixels that the JPEG clips.",
    "error": "stops of luminance above white, the mean absolute difference to the camera's RAW over those pixels.",
    "tones": "CIE DE2000 (scikit-image) of the tone-mapped light against the camera's RAW mapped by the same operator: "
    "median and 95th percentile.",
    "all": "over all pixels.",
    "clipped": "over the pixels at which a code of the JPEG is 250 or above; of tone-mapped pictures, those that hold "
    "one.",
}

_DARKER: Final = 2
"""Stops, of the first row of a sheet."""

_POINTS: Final = 300_000
_EDGE_OF_SHEET: Final = 360
_LUMINANCE: Final = (0.2126, 0.7152, 0.0722)


def names_of_light(stem: str) -> tuple[str, ...]:
    """The files that are made of a RAW file: the JPEG, its light, and that light tone mapped, with and without its
    highlights; and a sheet.
    """
    ends = ("", "-without")
    mapped = [f"{stem}-{operator}{end}.jpg" for operator in TONE_MAPPERS for end in ends]
    return (f"{stem}.jpg", *(f"{stem}{end}.exr" for end in ends), *mapped, f"{stem}.png")


def measure_reconstruction(
    paths: Sequence[Path],
    folder: Path,
    model: Model,
    options: RunOptions,
    peak: float,
    edge: int,
    bars: Bars = no_bars,
) -> dict[str, Any]:
    """Write `names_of_light` of each file into `folder`, and compare light with that of the camera's RAW.

    peak: cd/m2 that the screen of PU21 shows at most. edge: pixels of the longer side of tone-mapped pictures, at most.

    ::

        model               name, weights, configuration
        quality, subsampling    of the JPEG files
        white, peak         cd/m2
        edge                as above
        lights, definitions name -> what it is
        files               file, camera, size [width, height], clipped (share of pixels);
                            bytes: light -> bytes of its gain map, 0 for none;
                            pu21: all, clipped -> light -> dB or null;
                            stops: raw and each light -> highest, error or null;
                            tones: operator -> all, clipped -> without, carried -> median, p95 or null
        refused             file, why
        mean                pu21, stops, tones: over the files that have the figure

    Raises RequestError for a peak below white or beyond PU21's end; MissingExtraError without OpenEXR or OpenCV;
    OutputError; and as `measured_each`.
    """
    if not WHITE_NITS <= peak <= 10_000:
        raise RequestError(
            f"`peak` is {WHITE_NITS} to 10,000 cd/m2, the white of the picture and PU21's end: {peak:g}."
        )
    model.runtime(Direction.FORWARD)

    rows, refused = measured_each(paths, lambda path: _measured(path, folder, model, options, peak, edge), bars)
    return {
        "model": facts_of_model(model),
        "quality": options.quality,
        "subsampling": options.subsampling,
        "white": WHITE_NITS,
        "peak": peak,
        "edge": edge,
        "lights": LIGHTS,
        "definitions": LIGHT_DEFINITIONS,
        "files": rows,
        "refused": refused,
        "mean": {key: mean_figures([row[key] for row in rows]) for key in ("pu21", "stops", "tones")},
    }


def _measured(path: Path, folder: Path, model: Model, options: RunOptions, peak: float, edge: int) -> dict[str, Any]:
    frame = read_raw(path, max_pixels=options.max_pixels)
    recipe = frame.recipe(model.runtime(Direction.FORWARD).card.contract)
    step = step_for(frame.mosaic.shape, _POINTS)
    points: dict[str, Float] = {}
    small: dict[str, Float] = {}

    def keep(name: str, light: Float) -> None:
        points[name] = np.ascontiguousarray(light[:, ::step, ::step])
        small[name] = averaged(light, edge)

    scene = upright(scene_light(frame.mosaic, recipe).transpose(1, 2, 0), frame.orientation).transpose(2, 0, 1)
    keep("raw", scene)
    pictures = _pictures(frame, folder / f"{path.stem}.jpg", model, options, str(path))
    clipped = upright(clipped_pixels(own_window(pictures["carried"], str(path))), frame.orientation)
    for name, picture in pictures.items():
        light = linear_of(picture, name=str(path))
        keep(name, light.linear.astype(np.float32).transpose(2, 0, 1))
        if name != "hdr":
            light.save(folder / f"{path.stem}{_end(name)}.exr")
    there = clipped[::step, ::step]
    mapped = {operator: {name: apply(small[name]) for name in ("raw", "without", "carried")}
              for operator, apply in TONE_MAPPERS.items()}  # fmt: skip
    holds = averaged(np.broadcast_to(clipped.astype(np.float32), (3, *clipped.shape)), edge)[0] > 0
    for operator, made in mapped.items():
        for name in ("without", "carried"):
            _write_jpeg(folder / f"{path.stem}-{operator}{_end(name)}.jpg", made[name], options)
    _draw(folder / f"{path.stem}.png", small, mapped)
    height, width = frame.mosaic.shape
    maps = {name: picture.gain_map for name, picture in pictures.items()}
    return {
        "camera": frame.camera,
        "size": [width, height],
        "clipped": float(there.mean()),
        "bytes": {name: 0 if each is None else len(each.image) for name, each in maps.items()},
        "pu21": {
            "all": {name: _encoded(points[name], points["raw"], peak) for name in LIGHTS},
            "clipped": {name: _encoded(points[name][:, there], points["raw"][:, there], peak) for name in LIGHTS},
        },
        "stops": _stops({name: light[:, there] for name, light in points.items()}),
        "tones": {operator: _tones(made, holds) for operator, made in mapped.items()},
    }


def _pictures(frame: RawFrame, jpeg: Path, model: Model, options: RunOptions, name: str) -> dict[str, Picture]:
    """Of `LIGHTS`, as their files hold them; that of `carried` is kept. What a JPEG carries changes none of its pixels,
    so one without highlights is one whose highlights are left aside.
    """
    run_file(frame, jpeg, model, replace(options, overwrite=True), name=name)
    carried = read_picture(jpeg)
    with TemporaryDirectory() as place:
        finer = Path(place) / "photo.jpg"
        run_file(frame, finer, model, replace(options, raw_budget=RawBudget(hdr=True)), name=name)
        return {"without": replace(carried, gain_map=None), "carried": carried, "hdr": read_picture(finer)}


def _end(name: str) -> str:
    return "-without" if name == "without" else ""


def _encoded(light: Float, raw: Float, peak: float) -> float | None:
    if not light.size:
        return None
    ratio = pu21_psnr(*(np.minimum(each.astype(np.float64) * WHITE_NITS, peak) for each in (light, raw)))
    return ratio if np.isfinite(ratio) else None


def _stops(clipped: dict[str, Float]) -> dict[str, dict[str, float | None]]:
    above = {name: np.log2(np.maximum(np.tensordot(_LUMINANCE, light, 1), 1)) for name, light in clipped.items()}
    if not above["raw"].size:
        return {name: {"highest": None, "error": None} for name in above}
    return {
        name: {"highest": float(np.percentile(stops, 99)), "error": float(np.abs(stops - above["raw"]).mean())}
        for name, stops in above.items()
    }


def _tones(made: dict[str, Float], holds: npt.NDArray[np.bool_]) -> dict[str, Any]:
    found: dict[str, Any] = {"all": {}, "clipped": {}}
    for name in ("without", "carried"):
        apart = colour_difference(lab_of(made[name]), lab_of(made["raw"]))
        for place, values in (("all", apart.ravel()), ("clipped", apart[holds])):
            median, most = np.percentile(values, (50, 95)).tolist() if values.size else (None, None)
            found[place][name] = {"median": median, "p95": most}
    return found


def _write_jpeg(path: Path, shown: Float, options: RunOptions) -> None:
    from PIL import Image

    pixels = np.rint(255 * shown).astype(np.uint8).transpose(1, 2, 0)
    with whole_file(path) as part:
        Image.fromarray(np.ascontiguousarray(pixels)).save(
            part, "JPEG", quality=options.quality, subsampling=options.subsampling
        )


def _draw(sheet: Path, small: dict[str, Float], mapped: dict[str, dict[str, Float]]) -> None:
    names = ("without", "carried", "raw")
    rows = [(f"{_DARKER} stops darker", [linear_to_srgb(small[name] / 2**_DARKER) for name in names])]
    rows += [(operator, [made[name] for name in names]) for operator, made in mapped.items()]
    shown = [
        (label, [averaged(light, _EDGE_OF_SHEET).transpose(1, 2, 0) for light in lights]) for label, lights in rows
    ]
    draw_reconstruction(sheet, shown)
