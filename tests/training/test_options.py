"""Options of a run: what is accepted, and a sentence with the flag's name for what is not."""

from __future__ import annotations

import json
import math

import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.training.options import TrainOptions


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", 0, "--steps must be at least 1, got 0"),
        ("patch", 12, "--patch must be at least 16, got 12"),
        ("patch", 34, "--patch must be a multiple of 4, got 34"),
        ("batch", -1, "--batch must be at least 1, got -1"),
        ("seed", -5, "--seed must be at least 0, got -5"),
        ("learning_rate", 0.0, "--learning-rate must be a number above 0, got 0.0"),
        ("learning_rate", math.nan, "--learning-rate .* got nan"),
        ("learning_rate", math.inf, "--learning-rate .* got inf"),
        ("raw_weight", -0.1, "--raw-weight must be a number of at least 0, got -0.1"),
        ("raw_weight", math.nan, "--raw-weight .* got nan"),
    ],
)
def test_a_bad_value_is_refused_by_its_flag(name: str, value: float, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        TrainOptions(**{name: value})  # type: ignore[arg-type]


def test_the_least_of_everything_is_accepted() -> None:
    options = TrainOptions(steps=1, patch=16, batch=1, learning_rate=1e-9, raw_weight=0, seed=0)
    assert options.patch == 16


def test_options_are_stored_as_plain_data_and_come_back() -> None:
    options = TrainOptions(steps=7, patch=20, quality=75, subsampling="4:2:0", raw_weight=0.5)
    assert TrainOptions(**json.loads(json.dumps(options.to_dict()))) == options
