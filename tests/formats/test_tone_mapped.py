"""Tone-mapped JPEGs: by the paper's equation, and by libultrahdr, which has the light back."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.metadata import Metadata
from invisp_deploy.formats.tone_mapped import tone_mapped, write_tone_mapped
from invisp_deploy.tolerances import TOLERANCES
from tests.formats.test_metadata import SAID
from tests.formats.test_xmp import HEAD, TAIL, TITLE

HEIGHT, WIDTH = 75, 121
PACKET = f"{HEAD} rdf:about='uuid:7'>{TITLE}{TAIL}".encode()


def scene(brightest: float) -> np.ndarray:
    """From black to so many times white, in slowly changing colours, one of them beyond sRGB."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    level = brightest * (columns / (WIDTH - 1)) ** 3
    colour = np.stack((0.6 + 0.4 * rows / HEIGHT, np.full(rows.shape, 0.8), 1 - 0.5 * rows / HEIGHT), -1)
    linear = (level[..., None] * colour / colour.max()).astype(np.float16)
    linear[40:44, 40:44] = (-0.02, 0.3, 0.2)
    return linear


def by_the_paper(linear: np.ndarray) -> np.ndarray:
    luminance = linear @ np.array((0.2126, 0.7152, 0.0722))
    white = max(luminance.max(), 1)
    return linear * ((1 + luminance / white**2) / (1 + luminance))[..., None]


def linear_of_srgb(codes: np.ndarray) -> np.ndarray:
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("brightest", [1.2, 3.0, 16.0])
def test_the_tones_are_those_of_the_paper(brightest: float) -> None:
    linear = scene(brightest)
    pixels, gain_map = tone_mapped(linear)
    wanted = by_the_paper(linear.astype(float)).clip(0, 1)
    curved = np.where(wanted <= 0.0031308, 12.92 * wanted, 1.055 * wanted ** (1 / 2.4) - 0.055)
    assert np.abs(pixels - 255 * curved).max() < 0.6, "the nearest code, but for half floats"
    assert gain_map is not None
    assert gain_map.size == (38, 61)


def test_libultrahdr_has_the_light_back(tmp_path: Path) -> None:
    linear = scene(3.0)
    assert write_tone_mapped(tmp_path / "a.jpg", linear, quality=100, subsampling="4:4:4") == ()
    shown = imagecodecs.ultrahdr_decode((tmp_path / "a.jpg").read_bytes(), boost=16.0)[..., :3].astype(float)
    plain = slice(2, -2), slice(70, -2)  # apart from edges and from where codes are few
    error = shown[plain] / linear[plain].astype(float) - 1
    assert np.abs(error).max() < TOLERANCES["tone-mapped-light"].limit
    with Image.open(tmp_path / "a.jpg") as image:
        assert linear_of_srgb(np.asarray(image) / 255).max() < linear.max() / 2, "the base is darker"


def test_what_is_nowhere_brighter_than_white_stays_as_it_is(tmp_path: Path) -> None:
    linear = scene(0.9)
    pixels, gain_map = tone_mapped(linear)
    assert gain_map is None
    np.testing.assert_allclose(linear_of_srgb(pixels / 255), linear.clip(0, 1), atol=1.2 / 255)
    (note,) = write_tone_mapped(tmp_path / "a.jpg", linear, Metadata(xmp=PACKET))
    assert "nothing lies above white" in note
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["xmp"] == PACKET


def test_metadata_stand_in_it_and_it_is_upright(tmp_path: Path) -> None:
    write_tone_mapped(tmp_path / "a.jpg", scene(2.0), Metadata(SAID.ifd0, SAID.exif, SAID.gps, PACKET))
    with Image.open(tmp_path / "a.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (WIDTH, HEIGHT))
        tags = image.getexif()
        assert (tags[0x0110].strip(), tags[0x0112]) == ("Canon EOS 30D", 1)
        assert b"uuid:7" in image.info["xmp"]
        assert b"GainMap" in image.info["xmp"]
    Image.open(io.BytesIO((tmp_path / "a.jpg").read_bytes())).verify()


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"mine")
    with pytest.raises(RequestError, match="exists already"):
        write_tone_mapped(tmp_path / "a.jpg", scene(2.0), overwrite=False)
    assert (tmp_path / "a.jpg").read_bytes() == b"mine"
