"""A way back from values given by hand: complete, fitting the weights, or refused with what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError, RawFileError, RequestError
from invisp_deploy.formats.ifd import text
from invisp_deploy.formats.metadata import MAKE, MODEL, NONE, Metadata
from invisp_deploy.formats.picture import Picture
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.rendering.options import Explicit
from invisp_deploy.rendering.recover import explicit_record

CARD = GraphCard(
    Direction.INVERSE, NetworkConfig(1, 4, 2), CameraContract("Canon", "Canon EOS 30D", cfa="RGGB"), "a" * 64
)
VALUES = Explicit(white_balance=(2.0, 1.0, 1.5), black=128.0, white=4000, cfa="RGGB")


def picture(height: int = 40, width: int = 60, metadata: Metadata = NONE) -> Picture:
    return Picture(np.zeros((height, width, 3), np.uint8), None, metadata)


def test_values_become_a_recipe_of_the_contract() -> None:
    record = explicit_record(VALUES, picture(), CARD, "phone.jpg")
    assert (record.height, record.width) == (40, 60)
    assert (record.facts.black, record.facts.white, record.facts.gains) == ((128.0,) * 4, 4000, (2.0, 1.0, 1.5))
    assert record.recipe.cfa == "RGGB"
    assert record.recipe.white == 4000
    assert record.recipe.gains == (1.0, 0.5, 0.75)  # `max`: divided by the largest
    assert record.forced
    assert record.weights == CARD.weights


def test_the_contract_decides_about_white_and_balance() -> None:
    contract = CameraContract(white=3000, white_balance="min", curve=1.0)
    record = explicit_record(VALUES, picture(), replace(CARD, contract=contract), "phone.jpg")
    assert record.recipe.white == 3000
    assert record.recipe.gains == (2.0, 1.0, 1.5)
    assert record.recipe.curve == 1.0
    assert (record.facts.black, record.facts.white) == ((128.0,) * 4, 4000), "the DNG states what was given"


def test_the_pictures_camera_is_kept() -> None:
    metadata = Metadata({MAKE: text("Maker"), MODEL: text("Phone 7")})
    record = explicit_record(VALUES, picture(metadata=metadata), CARD, "phone.jpg")
    assert (record.facts.make, record.facts.model) == ("Maker", "Phone 7")


@pytest.mark.parametrize("missing", ["white_balance", "black", "white", "cfa"])
def test_a_missing_value_is_refused_with_all_that_are_needed(missing: str) -> None:
    with pytest.raises(RequestError, match=r"phone\.jpg .*`white_balance` .*`black` and `white` .* `cfa`"):
        explicit_record(replace(VALUES, **{missing: None}), picture(), CARD, "phone.jpg")


def test_a_black_level_of_zero_is_a_value() -> None:
    assert explicit_record(replace(VALUES, black=0.0), picture(), CARD, "phone.jpg").facts.black == (0.0,) * 4


def test_another_phase_than_the_weights_is_refused() -> None:
    with pytest.raises(ContractError, match="recover RGGB mosaics: pass that as `cfa`"):
        explicit_record(replace(VALUES, cfa="BGGR"), picture(), CARD, "phone.jpg")
    anything = replace(CARD, contract=CameraContract(), config=NetworkConfig(1, 4, 1))
    assert explicit_record(replace(VALUES, cfa="BGGR"), picture(), anything, "phone.jpg").recipe.cfa == "BGGR"


@pytest.mark.parametrize("shape", [(41, 60), (40, 59)])
def test_a_size_that_the_network_cannot_fold_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(RequestError, match=rf"{shape[1]}x{shape[0]}, these weights take multiples of 2: crop"):
        explicit_record(VALUES, picture(*shape), CARD, "phone.jpg")


def test_levels_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(RawFileError, match="must lie below the white level 100"):
        explicit_record(replace(VALUES, white=100), picture(), CARD, "phone.jpg")
