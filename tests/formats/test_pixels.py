import numpy as np
from PIL import Image

from invisp_deploy.formats.pixels import clipped_pixels, reduced


def test_reduced_as_pillow_reduces() -> None:
    tall = np.random.default_rng(3).integers(0, 256, (1201, 37, 3)).astype(np.uint8)
    np.testing.assert_array_equal(reduced(tall, 600), np.asarray(Image.fromarray(tall).reduce(3)))
    np.testing.assert_array_equal(reduced(tall, 401), np.asarray(Image.fromarray(tall).reduce(3)))
    assert reduced(tall, 1201) is tall


def test_a_pixel_clips_where_any_channel_does() -> None:
    target = np.array([[[249, 249, 249], [250, 0, 0], [0, 255, 0], [0, 0, 251]]], np.uint8)
    assert clipped_pixels(target).tolist() == [[False, True, True, True]]
    assert clipped_pixels(target.astype(np.uint16) * 257).tolist() == [[False, True, True, True]]
