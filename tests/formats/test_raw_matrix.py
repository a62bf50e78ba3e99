"""The colour matrix of a file against the one that LibRaw applies, measured in its linear renderings."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.colour import camera_to_srgb, daylight_gains

# published matrices of the Canon EOS 30D and D30
LAMP = ((0.6257, -0.0303, -0.1), (-0.788, 1.5621, 0.2396), (-0.1714, 0.1904, 0.7046))
DAYLIGHT = ((0.99, -0.2771, -0.1324), (-0.7072, 1.4229, 0.314), (-0.279, 0.3344, 0.8861))
OWN_SAMPLE = ((1.05, 0.02, 0.0), (0.0, 1.0, 0.01), (0.0, 0.03, 0.95))
HALOGEN, D65, D50 = 17, 21, 23
RED_FROM_GREEN = ((0.1, 0.9, 0.1), (0.9, 0.1, 0.1), (0.1, 0.1, 0.9))
RED_TWICE = ((0.6, 0.0, 0.0), (0.6, 0.0, 0.0), (0.1, 0.1, 0.9))

NUMBERS = {
    "ColorMatrix1": (50721, 10),
    "ColorMatrix2": (50722, 10),
    "CameraCalibration1": (50723, 10),
    "CameraCalibration2": (50724, 10),
    "AnalogBalance": (50727, 5),
    "AsShotNeutral": (50728, 5),
    "ForwardMatrix1": (50964, 10),
}
ILLUMINANTS = {"CalibrationIlluminant1": 50778, "CalibrationIlluminant2": 50779}
NEUTRAL = (0.5, 1, 0.6)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Writes a DNG of grey-ish squares with the tags that are named; as shot at `NEUTRAL` unless told.

    dng: whether it says that it is one; else a RAW file that has a DNG's tags all the same.
    """

    def write(camera: tuple[str, str] = ("Home", "Made"), dng: bool = True, **tags: Any) -> Path:
        import tifffile

        squares = np.random.default_rng(0).integers(3000, 6000, (16, 16, 3)).astype(np.uint16)
        colours = squares.repeat(4, axis=0).repeat(4, axis=1)
        mosaic = colours[..., 1].copy()
        mosaic[::2, ::2] = colours[::2, ::2, 0]
        mosaic[1::2, 1::2] = colours[1::2, 1::2, 2]
        written: list[tuple[Any, ...]] = [
            *([(50706, 1, 4, bytes((1, 4, 0, 0)), True)] if dng else []),  # DNGVersion
            (271, 2, 0, camera[0], True),
            (272, 2, 0, camera[1], True),
            (33421, 3, 2, (2, 2), True),
            (33422, 1, 4, bytes((0, 1, 1, 2)), True),
            (50717, 4, 1, 16383, True),  # WhiteLevel
        ]
        for name, value in ({"AsShotNeutral": NEUTRAL} | tags).items():
            if value is None:
                continue
            if name in ILLUMINANTS:
                written.append((ILLUMINANTS[name], 3, 1, value, True))
            else:
                ratios = [Fraction(str(number)).limit_denominator(10**6) for number in np.ravel(value)]
                pairs = [part for ratio in ratios for part in (ratio.numerator, ratio.denominator)]
                code, kind = NUMBERS[name]
                written.append((code, kind, len(ratios), tuple(pairs), True))
        path = tmp_path / "made.dng"
        tifffile.imwrite(
            path, mosaic, photometric=32803, rowsperstrip=64, metadata=None, software=False, extratags=written
        )
        return path

    return write


def applied(path: Path) -> npt.NDArray[np.float64]:
    """(3, 3), camera RGB to linear sRGB: least squares between LibRaw's renderings in both."""
    import rawpy

    def rendering(space: rawpy.ColorSpace) -> Any:
        with rawpy.imread(str(path)) as raw:
            return raw.postprocess(
                output_color=space,
                use_camera_wb=True,
                half_size=True,
                user_flip=0,
                gamma=(1, 1),
                no_auto_bright=True,
                output_bps=16,
            ).reshape(-1, 3)

    camera, srgb = (rendering(space).astype(np.float64) for space in (rawpy.ColorSpace.raw, rawpy.ColorSpace.sRGB))
    inside = (np.minimum(camera, srgb).min(-1) > 0) & (np.maximum(camera, srgb).max(-1) < 65535)
    assert np.count_nonzero(inside) > 200
    known = np.column_stack((camera[inside], np.ones(np.count_nonzero(inside))))  # LibRaw rounds down: half a step
    matrix: npt.NDArray[np.float64] = np.linalg.lstsq(known, srgb[inside], rcond=None)[0][:3].T
    return matrix


LAMP_AND_DAYLIGHT = {
    "ColorMatrix1": LAMP,
    "ColorMatrix2": DAYLIGHT,
    "CalibrationIlluminant1": HALOGEN,
    "CalibrationIlluminant2": D65,
}


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({"ColorMatrix1": LAMP}, id="one"),
        pytest.param({"ColorMatrix2": DAYLIGHT, "CalibrationIlluminant2": D65}, id="second alone"),
        pytest.param(LAMP_AND_DAYLIGHT, id="two"),
        pytest.param(
            LAMP_AND_DAYLIGHT | {"CalibrationIlluminant1": D65, "CalibrationIlluminant2": HALOGEN},
            id="two, daylight first",
        ),
        pytest.param(LAMP_AND_DAYLIGHT | {"CalibrationIlluminant2": D50}, id="two, none for D65"),
        pytest.param({"ColorMatrix1": LAMP, "ColorMatrix2": DAYLIGHT}, id="two, illuminants not told"),
        pytest.param(LAMP_AND_DAYLIGHT | {"CameraCalibration1": OWN_SAMPLE}, id="calibration of the other"),
        pytest.param(LAMP_AND_DAYLIGHT | {"CameraCalibration2": OWN_SAMPLE}, id="calibration"),
        pytest.param({"ColorMatrix1": LAMP, "AnalogBalance": (0.9, 1, 1.2)}, id="balance"),
        pytest.param(
            LAMP_AND_DAYLIGHT | {"CameraCalibration2": OWN_SAMPLE, "AnalogBalance": (0.9, 1, 1.2)},
            id="calibration and balance",
        ),
        pytest.param({"ColorMatrix1": LAMP, "ForwardMatrix1": DAYLIGHT}, id="forward matrix"),
        pytest.param({"camera": ("Canon", "Canon EOS 30D"), "ColorMatrix1": DAYLIGHT}, id="another than the table's"),
        pytest.param({"camera": ("Canon", "Canon EOS 30D")}, id="the table's alone"),
        pytest.param(
            {"camera": ("Canon", "Canon EOS 30D"), "ColorMatrix1": RED_FROM_GREEN}, id="one that LibRaw drops"
        ),
        pytest.param({"camera": ("Canon", "Canon EOS 30D"), "dng": False, "ColorMatrix1": DAYLIGHT}, id="no DNG"),
        pytest.param({"ColorMatrix1": LAMP, "AsShotNeutral": None}, id="not balanced"),
    ],
)
def test_a_dngs_matrix_is_the_one_that_libraw_applies(made: Callable[..., Path], tags: dict[str, Any]) -> None:
    import rawpy

    path = made(**tags)
    matrix = read_raw(path).color_matrix
    assert matrix is not None
    np.testing.assert_allclose(camera_to_srgb(matrix), applied(path), atol=2e-5)
    with rawpy.imread(str(path)) as raw:
        np.testing.assert_allclose(daylight_gains(matrix), raw.daylight_whitebalance[:3], rtol=1e-5)


def test_the_samples_matrix_is_the_one_that_libraw_applies(sample_raw: Path) -> None:
    matrix = read_raw(sample_raw).color_matrix
    assert matrix is not None
    np.testing.assert_allclose(camera_to_srgb(matrix), applied(sample_raw), atol=1e-5)


@pytest.mark.parametrize("matrix", [LAMP, DAYLIGHT])
def test_a_matrix_comes_back_with_the_scale_of_its_rows(made: Callable[..., Path], matrix: Any) -> None:
    np.testing.assert_allclose(np.array(read_raw(made(ColorMatrix1=matrix)).color_matrix), matrix, atol=1e-6)


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({}, id="no tag"),
        pytest.param({"ColorMatrix1": np.zeros((3, 3))}, id="zeros"),
        pytest.param({"ColorMatrix1": RED_FROM_GREEN}, id="one that LibRaw drops"),
        pytest.param({"dng": False, "ColorMatrix1": DAYLIGHT}, id="no DNG"),
    ],
)
def test_a_file_to_which_libraw_applies_no_matrix_has_none(made: Callable[..., Path], tags: dict[str, Any]) -> None:
    path = made(**tags)
    np.testing.assert_allclose(applied(path), np.eye(3), atol=2e-5)
    assert read_raw(path).color_matrix is None


def test_a_matrix_that_cannot_be_undone_counts_as_none(made: Callable[..., Path]) -> None:
    assert read_raw(made(ColorMatrix1=RED_TWICE)).color_matrix is None


def test_a_file_without_white_balance_is_rendered_for_daylight(made: Callable[..., Path]) -> None:
    path = made(ColorMatrix1=DAYLIGHT, AsShotNeutral=None)
    frame = read_raw(path)
    assert frame.gains is None
    assert frame.color_matrix is not None
    found = render_libraw(path).astype(int)
    gains = daylight_gains(frame.color_matrix)
    balanced = render_libraw(made(ColorMatrix1=DAYLIGHT, AsShotNeutral=[min(gains) / gain for gain in gains]))
    assert np.abs(found - balanced).max() <= 1
    assert np.abs(found - render_libraw(made(ColorMatrix1=DAYLIGHT))).max() > 10  # the gains do show
