"""Camera contracts: strict values, strict fields, and which camera they accept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from invisp_deploy.contract import CameraContract, camera_name
from invisp_deploy.errors import RequestError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("white", "auto"),
        ("white", 0),
        ("white", 65536),
        ("white", True),
        ("white", 4095.0),
        ("white_balance", "daylight"),
        ("curve", 0.9),
        ("curve", 4.1),
        ("curve", float("nan")),
        ("curve", float("inf")),
        ("curve", "2.2"),
        ("curve", True),
        ("color", "xyz"),
        ("cfa", "RGB"),
        ("cfa", "RGBG"),
        ("make", None),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, value: Any) -> None:
    """In quotes: backticks are for parameters, which a command would print as its own flag (--model)."""
    with pytest.raises(RequestError, match=f"contract's .*'{name}'") as caught:
        CameraContract(**{name: value})
    assert "`" not in str(caught.value)


def test_values_below_0_need_a_curve_that_takes_them() -> None:
    with pytest.raises(RequestError, match="'color' srgb has the 'curve' bt709: .*; got 2.2"):
        CameraContract(color="srgb")


@pytest.mark.parametrize(
    "contract",
    [
        CameraContract(),
        CameraContract("Canon", "Canon EOS 5D", 4095, "min", "camera", 1.0, "GBRG"),
        CameraContract(white="adjusted", color="srgb", curve="bt709"),
        CameraContract(look="night"),
    ],
)
def test_json_round_trip(contract: CameraContract) -> None:
    assert CameraContract.from_dict(json.loads(json.dumps(contract.to_dict()))) == contract


@pytest.mark.parametrize("given", [{"clips": 1}, {"clips": "no"}, {"shading": "none"}, {"shading": 1.0}])
def test_clips_and_shading_are_of_their_types(given: dict[str, object]) -> None:
    with pytest.raises(RequestError, match=f"'{next(iter(given))}' is "):
        CameraContract.from_dict(CameraContract().to_dict() | given)


@pytest.mark.parametrize("look", ["", " ", None, 7])
def test_a_look_has_a_name(look: object) -> None:
    with pytest.raises(RequestError, match="'look' must be a name, got"):
        CameraContract(look=look)  # type: ignore[arg-type]


def test_missing_and_unknown_fields_are_refused() -> None:
    data = CameraContract().to_dict()
    with pytest.raises(RequestError, match="has the fields"):
        CameraContract.from_dict(data | {"exposure": 1})
    for other in (None, True, 1.5, [], "{}"):
        with pytest.raises(RequestError, match="has the fields"):
            CameraContract.from_dict(other)  # type: ignore[arg-type]
    for name in data:
        with pytest.raises(RequestError, match="has the fields"):
            CameraContract.from_dict({key: value for key, value in data.items() if key != name})


@pytest.mark.parametrize(
    ("make", "model", "name"),
    [
        ("Canon", "Canon EOS 30D", "Canon EOS 30D"),
        ("NIKON CORPORATION", "NIKON D700", "NIKON CORPORATION NIKON D700"),
        ("Nikon ", " D700", "Nikon D700"),
        ("", "", ""),
        ("", "X", "X"),
    ],
)
def test_camera_name_does_not_double_the_make(make: str, model: str, name: str) -> None:
    assert camera_name(make, model) == name


def test_a_contract_accepts_its_camera_and_no_other() -> None:
    contract = CameraContract("Canon", "Canon EOS 30D")
    assert contract.accepts("Canon", "Canon EOS 30D")
    assert contract.accepts("Canon", "EOS 30D")
    assert contract.accepts("CANON", "canon eos 30d")
    assert not contract.accepts("Canon", "Canon EOS 5D")
    assert not contract.accepts("", "")


def test_a_contract_without_camera_accepts_any() -> None:
    assert CameraContract().accepts("Canon", "Canon EOS 30D")
    assert CameraContract().accepts("", "")
