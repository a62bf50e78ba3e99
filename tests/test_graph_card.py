"""Graph metadata: whole round trip, and a sentence for every way it can be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import GraphError
from invisp_deploy.graph_card import Direction, GraphCard


@pytest.fixture
def card() -> GraphCard:
    config = NetworkConfig(2, 8, 2)
    contract = CameraContract("Canon", "Canon EOS 30D", white="adjusted", cfa="RGGB")
    return GraphCard(Direction.INVERSE, config, contract, "ab" * 32, versions={"torch": "2.13.0"})


def test_round_trip_as_flat_text(card: GraphCard) -> None:
    metadata = card.to_metadata()
    assert all(isinstance(value, str) for value in metadata.values())
    assert GraphCard.from_metadata(metadata, "a.onnx") == card
    of_one = replace(card, learned_on="Canon EOS 30D")
    assert GraphCard.from_metadata(of_one.to_metadata(), "a.onnx") == of_one
    assert "invisp.learned_on" not in metadata, "where it is not known nothing is said"


def test_the_same_card_is_the_same_text(card: GraphCard) -> None:
    again = GraphCard.from_metadata(dict(reversed(card.to_metadata().items())), "a.onnx")
    assert list(again.to_metadata().items()) == list(card.to_metadata().items())


def test_directions_name_their_tensors() -> None:
    assert (Direction.FORWARD.input_name, Direction.FORWARD.output_name) == ("raw", "srgb")
    assert (Direction.INVERSE.input_name, Direction.INVERSE.output_name) == ("srgb", "raw")


def test_foreign_graphs_are_refused_by_name() -> None:
    with pytest.raises(GraphError, match=r"model\.onnx is not a graph of invisp-deploy"):
        GraphCard.from_metadata({"author": "someone"}, "model.onnx")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("direction", "sideways"),
        ("config", "{"),
        ("config", '{"blocks": 2}'),
        ("config", '{"blocks": 0, "growth": 8, "squeeze": 2}'),
        ("contract", '{"black": "file"}'),
        ("precision", "fp4"),
        ("form", "camera"),
        ("bits", "12"),
        ("bits", "many"),
        ("kept", "5"),
        ("config", "[" * 60000),
        ("versions", "{"),
        ("versions", "1.5"),
        ("config", "true"),
        ("contract", "null"),
        ("weights", 5),
        ("bits", float("inf")),
    ],
)
def test_damaged_metadata_is_refused_by_name(card: GraphCard, key: str, value: Any) -> None:
    with pytest.raises(GraphError, match=r"^a\.onnx .*"):
        GraphCard.from_metadata(card.to_metadata() | {f"invisp.{key}": value}, "a.onnx")


@pytest.mark.parametrize(
    "key", ["direction", "config", "contract", "weights", "precision", "kept", "scales", "form", "bits", "versions"]
)
def test_a_missing_property_is_refused_by_name(card: GraphCard, key: str) -> None:
    metadata = card.to_metadata()
    del metadata[f"invisp.{key}"]
    what = "not a graph of invisp-deploy" if key == "direction" else f"invisp.{key}"
    with pytest.raises(GraphError, match=what):
        GraphCard.from_metadata(metadata, "a.onnx")


def test_kept_layers_and_scales_travel(card: GraphCard) -> None:
    low = replace(card, precision="int8", kept=("block0.F.conv1",), scales="ab" * 32, form="tensor", bits=16)
    assert GraphCard.from_metadata(low.to_metadata(), "a test") == low
