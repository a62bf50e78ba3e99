"""The matrix between two lights against another implementation of the DNG specification, and where no light is."""

from __future__ import annotations

import numpy as np
import pytest

from invisp_deploy.errors import ContractError
from invisp_deploy.isp.colour import SRGB_TO_XYZ, as_color_matrix, daylight_gains
from invisp_deploy.isp.frame import ColorMatrix
from invisp_deploy.isp.two_lights import LIGHTS, LitMatrix, adaptation, matrix_between, temperature_of
from invisp_deploy.tolerances import TOLERANCES

WARM = LitMatrix(LIGHTS["A"], ((0.7, -0.3138, 0.1393), (-0.2214, 0.9898, 0.7122), (0.0062, 0.0959, 0.8515)))
COLD = LitMatrix(LIGHTS["D65"], ((0.4284, -0.0947, -0.0036), (-0.1852, 0.8642, 0.2864), (0.0881, 0.0585, 0.5278)))

COLOUR_HDRI = {
    (1.98, 1.0, 2.46): (
        (0.800234, -0.20422, -0.046781),
        (-0.134261, 0.906352, 0.203919),
        (0.001947, 0.118888, 0.262741),
    ),
    (2.2, 1.0, 2.0): (
        (0.716175, -0.184152, -0.013069),
        (-0.139928, 0.888056, 0.281077),
        (0.026173, 0.103761, 0.369125),
    ),
    (2.6, 1.0, 1.6): (
        (0.570491, -0.139712, 0.010976),
        (-0.153531, 0.86202, 0.332041),
        (0.063565, 0.079058, 0.490475),
    ),
    (3.24, 1.0, 1.39): (
        (0.428423, -0.094547, -0.003208),
        (-0.184791, 0.863402, 0.288317),
        (0.088278, 0.058218, 0.53132),
    ),
    (3.5, 1.0, 1.3): (
        (0.414673, -0.103392, 0.009772),
        (-0.197307, 0.87301, 0.339229),
        (0.086713, 0.05215, 0.621627),
    ),
}
"""Gains -> what colour-hdri 0.2.6 makes of both matrices: `camera_neutral_to_xy`, then `matrix_XYZ_to_camera_space`,
then Bradford's adaptation from D65."""


@pytest.mark.parametrize("gains", COLOUR_HDRI)
def test_it_is_what_another_program_makes_of_the_specification(gains: tuple[float, float, float]) -> None:
    limit = TOLERANCES["two-lights"].limit
    np.testing.assert_allclose(matrix_between(WARM, COLD, gains), COLOUR_HDRI[gains], rtol=0, atol=limit)
    np.testing.assert_array_equal(matrix_between(COLD, WARM, gains), matrix_between(WARM, COLD, gains))
    changed = np.abs(np.array(COLOUR_HDRI[1.98, 1.0, 2.46]) - COLOUR_HDRI[3.24, 1.0, 1.39]).max()
    assert changed > 100 * limit, "the lights differ by more than the programs"


@pytest.mark.parametrize("gains", COLOUR_HDRI)
def test_a_white_of_the_frame_stays_white(gains: tuple[float, float, float]) -> None:
    found = np.array(daylight_gains(matrix_between(WARM, COLD, gains)))
    np.testing.assert_allclose(found / found[1], gains, rtol=1e-9)
    doubled = matrix_between(WARM, COLD, (2 * gains[0], 2.0, 2 * gains[2]))
    np.testing.assert_allclose(doubled, matrix_between(WARM, COLD, gains), rtol=1e-9)


@pytest.mark.parametrize(
    ("xy", "kelvin"), [((0.44757, 0.40745), 2856), ((0.34567, 0.35850), 5003), ((0.31271, 0.32902), 6504)]
)
def test_temperatures_of_standard_lights(xy: tuple[float, float], kelvin: float) -> None:
    assert temperature_of(*xy) == pytest.approx(kelvin, abs=10)


def test_adaptation_takes_one_white_to_the_other() -> None:
    d65, other = np.array(SRGB_TO_XYZ).sum(axis=1), np.array((1.0985, 1.0, 0.3558))
    np.testing.assert_allclose(adaptation(d65, other) @ d65, other)
    np.testing.assert_allclose(adaptation(d65, d65), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("gains", [(1.0, 1.0, 50.0), (1.0, 1.0, 1.0), (50.0, 1.0, 1.0), (0.9019, 1.0, 3.3697)])
def test_gains_of_no_light_leave_the_colder_matrix(gains: tuple[float, float, float]) -> None:
    assert matrix_between(WARM, COLD, gains) == COLD.matrix


def test_matrices_that_cannot_be() -> None:
    flat: ColorMatrix = as_color_matrix(np.ones((3, 3)))
    for one, other in ((WARM, WARM), (WARM, LitMatrix(6504, flat))):
        with pytest.raises(ContractError, match="expected two of different lights"):
            matrix_between(one, other, (2.0, 1.0, 1.5))
