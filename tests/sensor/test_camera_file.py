"""Camera files: what they say, that a written one reads the same, the shipped ones against public tuning data, and a
sentence on whatever can be wrong.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.isp.colour import camera_to_srgb, daylight_gains
from invisp_deploy.isp.two_lights import LIGHTS, LitMatrix, matrix_between
from invisp_deploy.sensor.camera_file import CameraFile, CameraNoise, camera_text, read_camera_file, shipped_cameras
from invisp_deploy.sensor.companding import Companding
from invisp_deploy.tolerances import TOLERANCES

WHOLE = """
make = "Maker"
model = "Model \\"1\\" \\u00e9"
format = "RG12"
width = 64
height = 48
stride = 160
orientation = 6
black = [128, 129.5, 130, 131]
white = 4000
white_balance = [2.0, 1, 1.5]
noise = [[1, 0.0001, 1e-7], [8, 0.0008, 2e-7]]
lens_shading = [[[1, 2], [3, 4.5]], [[1, 1], [1, 1]], [[1, 1], [1, 1]], [[2, 2], [2, 2]]]
companding = [[0, 0], [1024, 1024], [4095, 4095]]
[color_matrix]
D65 = [[0.9, -0.2, -0.1], [-0.4, 1.2, 0.25], [-0.05, 0.15, 0.6]]
A = [[1.1, -0.3, -0.1], [-0.5, 1.3, 0.25], [-0.05, 0.2, 0.5]]
"""
COLD = ((0.9, -0.2, -0.1), (-0.4, 1.2, 0.25), (-0.05, 0.15, 0.6))
WARM = ((1.1, -0.3, -0.1), (-0.5, 1.3, 0.25), (-0.05, 0.2, 0.5))
ONES = ((1.0, 1.0), (1.0, 1.0))


def written(text: str, folder: Path) -> Path:
    path = folder / "camera.toml"
    path.write_text(text)
    return path


def test_a_file_is_what_it_says(tmp_path: Path) -> None:
    path = written(WHOLE, tmp_path)
    assert read_camera_file(path) == CameraFile(
        name=str(path),
        make="Maker",
        model='Model "1" é',
        format="RG12",
        black=(128, 129.5, 130, 131),
        white=4000,
        white_balance=(2.0, 1.0, 1.5),
        width=64,
        height=48,
        stride=160,
        orientation=6,
        color_matrix=(("A", WARM), ("D65", COLD)),
        noise=(CameraNoise(1, 0.0001, 1e-7), CameraNoise(8, 0.0008, 2e-7)),
        lens_shading=(((1.0, 2.0), (3.0, 4.5)), ONES, ONES, ((2.0, 2.0), (2.0, 2.0))),
        companding=Companding(((0, 0), (1024, 1024), (4095, 4095))),
    )


def test_a_written_file_reads_the_same(tmp_path: Path) -> None:
    camera = read_camera_file(written(WHOLE, tmp_path))
    strange = replace(camera, make="tab\t\x7f\x01\\ end", cfa="RGGB", width=None, height=None, stride=None)
    for one in (camera, strange, replace(camera, color_matrix=(), noise=(), lens_shading=(), companding=None)):
        text = camera_text(one, ["A camera.", "", "Of nobody."])
        assert text.startswith("# A camera.\n#\n# Of nobody.\n\nmake = ")
        assert read_camera_file(written(text, tmp_path)) == one


def test_what_may_be_left_out(tmp_path: Path) -> None:
    short = 'make = ""\nmodel = ""\nformat = "pBCC"\nblack = 256\nwhite = 4095\nwhite_balance = "grey-world"\n'
    camera = read_camera_file(written(short, tmp_path))
    assert (camera.pattern, camera.black, camera.width, camera.color_matrix) == ("BGGR", (256,) * 4, None, ())
    open_ = read_camera_file(written(short.replace('format = "pBCC"\n', ""), tmp_path))
    assert open_ == replace(camera, format=None)
    with pytest.raises(RequestError, match="camera.toml does not say which format its frames have: pass `format`"):
        _ = open_.pattern


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("white = 4000\n", "", r"has no field 'white': it is a DN, a whole number from 1 to 65535"),
        ("white = 4000", "whiet = 4000", r"the field 'whiet', which no camera file has: did you mean white"),
        ("white = 4000", "white = 4000\nzzz = 1", r"'zzz', which no camera file has: expected make, model, format"),
        ("white = 4000", "white = 4000.5", r"'white' is a DN, a whole number from 1 to 65535, got 4000.5"),
        ("white = 4000", "white = 100", r"'white' is 100, expected a DN above the black of 131"),
        (
            "white = 4000",
            "white = 4096",
            r"'white' is 4096, and samples of RG12 go to 4095: the levels are of another depth",
        ),
        ("white = 4000", "white = ", r"is no TOML \(Invalid value"),
        ("black = [128, 129.5, 130, 131]", "black = [1, 2]", r"'black' is a DN, or four of them, .* got \[1, 2\]"),
        ("black = [128, 129.5, 130, 131]", "black = true", r"'black' is a DN, or four of them, .* got True"),
        ("black = [128, 129.5, 130, 131]", "black = nan", r"'black' is a DN"),
        ('"RG12"', '"RG13"', r"camera.toml: The `format` 'RG13' is unknown: did you mean RG1"),
        ('"RG12"', "12", r"'format' is a FourCC such as 'pRCC'"),
        ('"RG12"', '"android-raw12"', r"has no field 'cfa', and the format android-raw12 leaves it open"),
        ('"RG12"', '"RG12"\ncfa = "BGGR"', r"'cfa' is BGGR, and the format RG12 has RGGB"),
        ('"RG12"', '"RG12"\ncfa = "RGB"', r"'cfa' is one of RGGB, GRBG, GBRG, BGGR, got 'RGB'"),
        ("width = 64\n", "", r"one of 'width' and 'height'"),
        ("width = 64", 'width = "64"', r"'width' is a whole number of pixels, 2 to 65536, got '64'"),
        ("stride = 160", "stride = 100", r"The `stride` 100 is less than the 128 bytes"),
        ("orientation = 6", "orientation = 9", r"'orientation' is EXIF's orientation, 1 to 8, got 9"),
        ("[2.0, 1, 1.5]", '"auto"', r"'white_balance' is three gains .* or 'grey-world' or 'as-given', got 'auto'"),
        ("[2.0, 1, 1.5]", "[2.0, 0, 1.5]", r"'white_balance' is three gains"),
        ("[[1, 0.0001, 1e-7], [8,", "[[1, 0.0001, 1e-7], [1,", r"'noise' is rows of a gain"),
        ("[8, 0.0008, 2e-7]", "[8, -1, 2e-7]", r"'noise' is rows of a gain"),
        ("[[2, 2], [2, 2]]]", "[[2, 2], [2]]]", r"'lens_shading' is four grids of gains above 0"),
        (", [[2, 2], [2, 2]]]", "]", r"'lens_shading' is four grids"),
        ("[[2, 2], [2, 2]]]", "[[2, 2], [2, 0]]]", r"'lens_shading' is four grids"),
        ("[1024, 1024], [4095, 4095]", "[1024, 1024], [1000, 4095]", r"'companding' is rows of a code and its DN"),
        ("[4095, 4095]", "[70000, 4095]", r"'companding' is rows of a code and its DN"),
        (
            "A = [[1.1",
            "B = [[1.1",
            r"'color_matrix' is a table of three rows .* two of the lights A, D50, D55, D65, D75",
        ),
        ("D65 = [[0.9", "D50 = [[0.9, 1], [0.9", r"'color_matrix' is a table"),
        ("[-0.05, 0.15, 0.6]]", "[-0.05, inf, 0.6]]", r"'color_matrix' is a table"),
    ],
)
def test_what_is_wrong_is_said_with_the_field(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in WHOLE
    with pytest.raises(RequestError, match=words) as raised:
        read_camera_file(written(WHOLE.replace(old, new), tmp_path))
    assert str(tmp_path / "camera.toml") in str(raised.value)


def test_a_companded_white_may_exceed_the_codes(tmp_path: Path) -> None:
    text = WHOLE.replace("[4095, 4095]", "[4095, 60000]").replace("white = 4000", "white = 59000")
    assert read_camera_file(written(text, tmp_path)).white == 59000


def test_codes_of_a_table_need_one(tmp_path: Path) -> None:
    coded = WHOLE.replace('"RG12"', '"aRA8"').replace("[1024, 1024], [4095, 4095]", "[64, 64], [255, 4095]")
    companding = read_camera_file(written(coded, tmp_path)).companding
    assert companding is not None
    assert companding.white == 4095
    with pytest.raises(RequestError, match="no field 'companding', and the format aRA8 holds codes of a table"):
        read_camera_file(written(re.sub(r"companding.*\n", "", coded), tmp_path))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no camera file .*imx47: name a file, or .*\(imx219, imx296, imx477\)"):
        read_camera_file("imx47")
    with pytest.raises(RequestError, match="is a folder, a pipe or a device"):
        read_camera_file(tmp_path)
    for data, words in (
        (b"\xff\xfe", "is no TOML"),
        (b"a = " + b"[" * 5000, "TOML"),
        (b"#" * (1 << 21), "larger than"),
    ):
        path = tmp_path / "bad.toml"
        path.write_bytes(data)
        with pytest.raises(RequestError, match=words):
            read_camera_file(path)


TUNING = {
    "imx219": ((3280, 2464), 10, "RGGB", 4096, 3.67),
    "imx296": ((1456, 1088), 10, "BGGR", 3840, 2.671),
    "imx477": ((4056, 3040), 12, "RGGB", 4096, 2.767),
}
"""Size, bits and pattern of the Linux driver; libcamera's black level of 65536 and slope of the noise."""

CURVES = {
    "imx219": (((2498, 0.9309, 0.3599), (2911, 0.8682, 0.4283)), ((5716, 0.5712, 0.7017), (8575, 0.4331, 0.8037))),
    "imx296": (((2800, 0.4883, 0.3303), (2900, 0.4855, 0.3349)), ((5600, 0.2948, 0.6124), (7400, 0.2336, 0.6894))),
    "imx477": (((2848, 0.5071, 0.4), (2903, 0.4905, 0.4392)), ((6125, 0.3129, 0.71), (6671, 0.3065, 0.72))),
}
"""Temperature, R/G and B/G of a white beside A and beside D65, of libcamera's `ct_curve`."""

MATRICES = {
    "imx219": (
        (5858, 2.32392, -0.88421, -0.43971, -0.63821, 2.58348, -0.94527, -0.28541, -0.54112, 1.82653),
        (7580, 2.21175, -0.53242, -0.67933, -0.57875, 3.07922, -1.50047, -0.27709, -0.73338, 2.01048),
    ),
    "imx296": (
        (5600, 2.04576, -0.74771, -0.29805, -0.36332, 1.98993, -0.62662, -0.09328, -0.46543, 1.55871),
        (7400, 2.37532, -0.83069, -0.54462, -0.48279, 2.84309, -1.36031, -0.21178, -0.66532, 1.87709),
    ),
    "imx477": (
        (5881, 2.18464, -0.95493, -0.22971, -0.36826, 2.00298, -0.63471, -0.15219, -0.38055, 1.53274),
        (7600, 2.30687, -0.97295, -0.33392, -0.30872, 2.32779, -1.01908, -0.17761, -0.55891, 1.73651),
    ),
}
"""Temperature, and balanced camera RGB to linear sRGB beside D65, of libcamera's `ccms`."""


def between(rows: tuple[tuple[float, ...], ...], temperature: float) -> np.ndarray:
    table = np.array(rows)
    return np.array([np.interp(temperature, table[:, 0], column) for column in table[:, 1:].T])


def test_all_shipped_files_are_looked_at() -> None:
    assert shipped_cameras() == sorted(TUNING)


@pytest.mark.parametrize("name", TUNING)
def test_a_shipped_file_says_what_drivers_and_tuning_say(name: str) -> None:
    size, bits, cfa, black, slope = TUNING[name]
    camera = read_camera_file(name)
    assert (camera.format, camera.width) == (None, None), "a mode's, not the sensor's"
    assert f"{size[0]}x{size[1]} pixels at the most, {bits} bits" in Path(camera.name).read_text()
    assert re.search(rf"{cfa} where\s(# )?the picture is not turned", Path(camera.name).read_text())
    assert (camera.black, camera.white) == ((black / 2 ** (16 - bits),) * 4, 2**bits - 1)
    for row in camera.noise:  # standard deviation = slope * root of the 16-bit number, variance as the gain
        assert row.a == pytest.approx(row.gain * slope**2 / (65535 - black), rel=1e-3)
        assert row.b == 0
    lit = [LitMatrix(LIGHTS[light], matrix) for light, matrix in camera.color_matrix]
    assert [light for light, _ in camera.color_matrix] == ["A", "D65"]
    for at, curve in zip((LIGHTS["A"], LIGHTS["D65"]), CURVES[name], strict=True):
        red, blue = between(curve, at)
        found = matrix_between(*lit, (1 / red, 1.0, 1 / blue))
        gains = daylight_gains(found)
        assert (gains[1] / gains[0], gains[1] / gains[2]) == pytest.approx((red, blue), rel=1e-6)
    stated = between(MATRICES[name], LIGHTS["D65"]).reshape(3, 3)
    np.testing.assert_allclose(camera_to_srgb(found), stated, rtol=0, atol=TOLERANCES["two-lights"].limit)


@pytest.mark.parametrize("name", TUNING)
def test_a_shipped_file_names_its_sources(name: str) -> None:
    path = Path(read_camera_file(name).name)
    text = path.read_text()
    assert re.search(rf"drivers/media/i2c/{name}\.c", text)
    assert re.search(rf"libcamera .*{name}\.json", text)
    assert max(map(len, text.splitlines())) <= 120
