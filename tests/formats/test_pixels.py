import numpy as np
from PIL import Image

from invisp_deploy.formats.pixels import reduced


def test_reduced_as_pillow_reduces() -> None:
    tall = np.random.default_rng(3).integers(0, 256, (1201, 37, 3)).astype(np.uint8)
    np.testing.assert_array_equal(reduced(tall, 600), np.asarray(Image.fromarray(tall).reduce(3)))
    np.testing.assert_array_equal(reduced(tall, 401), np.asarray(Image.fromarray(tall).reduce(3)))
    assert reduced(tall, 1201) is tall
