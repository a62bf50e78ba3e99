import numpy as np
import pytest
from PIL import Image, ImageOps

from invisp_deploy.formats.orientation import ORIENTATIONS, one_after, sensor_order, upright

PIXELS = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7)


@pytest.mark.parametrize("number", ORIENTATIONS)
def test_shows_what_pillow_shows(number: int) -> None:
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = number
    shown = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(upright(PIXELS, number), shown)
    np.testing.assert_array_equal(sensor_order(shown, number), PIXELS)


@pytest.mark.parametrize("first", ORIENTATIONS)
@pytest.mark.parametrize("second", ORIENTATIONS)
def test_two_after_each_other_are_one(first: int, second: int) -> None:
    both = upright(upright(PIXELS, first), second)
    np.testing.assert_array_equal(upright(PIXELS, one_after(first, second)), both)
