import pytest

from invisp_deploy.errors import ImageFileError, RawFileError
from invisp_deploy.formats.limits import MAX_PIXELS, check_size


def test_the_largest_cameras_fit_and_ten_times_that_does_not() -> None:
    check_size("a.iiq", 10652, 14204, MAX_PIXELS, RawFileError)  # Phase One IQ4 150MP
    with pytest.raises(RawFileError, match=r"a\.iiq claims .* more than 200 megapixels.*`max_pixels`"):
        check_size("a.iiq", 40000, 40000, MAX_PIXELS, RawFileError)
    check_size("a.iiq", 40000, 40000, 1600, RawFileError)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (70000, 5), (5, 70000)])
def test_sides_that_no_picture_has(size: tuple[int, int]) -> None:
    with pytest.raises(ImageFileError, match="sides are 1 to 65535"):
        check_size("a.png", *size, 1e9, ImageFileError)
