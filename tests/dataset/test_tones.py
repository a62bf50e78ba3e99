"""What tones became, and which file's are not those of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from invisp_deploy.dataset.tones import PARTS, Tones, given_tones, odd_tones, tones_of

RAMP = np.arange(256, dtype=np.uint8).repeat(64 * 64 // 256).reshape(64, 64, 1).repeat(3, 2).repeat(4, 0).repeat(4, 1)


def curve_of(exponent: float, lifted: float = 0.0) -> Tones:
    levels = np.linspace(8, 248, PARTS) / 255
    return tuple((255 * levels**exponent + lifted * (1 - levels)).tolist())


def test_a_curve_is_what_each_part_becomes() -> None:
    picture = (255 * (RAMP / 255) ** 0.6).round().astype(np.uint8)
    found = given_tones(RAMP, picture)
    wanted = (255 * (np.arange(256) / 255) ** 0.6).reshape(PARTS, -1).mean(1)
    np.testing.assert_allclose(np.array(found, float), wanted, atol=1)


def test_tones_that_hardly_occur_say_nothing() -> None:
    dark = RAMP // 2
    found = given_tones(dark, dark)
    assert all(level is not None for level in found[: PARTS // 2])
    assert found[PARTS // 2 :] == (None,) * (PARTS // 2)


def test_the_one_with_lifted_shadows_is_told_by_how_much() -> None:
    curves = {name: curve_of(0.7 + 0.005 * index) for index, name in enumerate("abcdef")}
    assert odd_tones(curves) == {}
    curves["lit"] = curve_of(0.7, lifted=45)
    (said,) = odd_tones(curves).values()
    assert list(odd_tones(curves)) == ["lit"]
    assert said.startswith("its tones differ from the other files' by ")
    assert "where LibRaw shows 8 it is 4" in said
    assert said.endswith(" brighter")
    curves["dark"] = tuple(None if level is None else max(level - 40, 0) for level in curve_of(0.7))
    assert set(odd_tones(curves)) == {"lit", "dark"}
    assert odd_tones(curves)["dark"].endswith(" darker")


def test_few_files_and_files_that_all_differ_have_no_odd_one() -> None:
    few = {"a": curve_of(0.7), "b": curve_of(0.7), "c": curve_of(0.7), "lit": curve_of(0.7, 60)}
    assert odd_tones(few) == {}
    spread = {str(step): curve_of(0.4 + 0.1 * step) for step in range(8)}
    assert odd_tones(spread) == {}
    assert odd_tones({str(step): (None,) * PARTS for step in range(8)}) == {}


def test_parts_that_a_file_lacks_do_not_count() -> None:
    curves = {name: curve_of(0.7) for name in "abcdef"}
    curves["dark"] = curve_of(0.7)[:4] + (None,) * (PARTS - 4)
    assert odd_tones(curves) == {}


@pytest.mark.parametrize("data", ["abc", [1.0], [1.0] * (PARTS - 1) + [-1], [1.0] * (PARTS - 1) + [float("nan")]])
def test_what_is_no_curve_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="tones"):
        tones_of(data)


def test_a_curve_survives_json() -> None:
    assert tones_of([*[1.5] * (PARTS - 1), None]) == (*[1.5] * (PARTS - 1), None)
