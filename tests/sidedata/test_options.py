from __future__ import annotations

import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.sidedata.options import RawBudget


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_error": 1, "max_noise": 1.0}, "pass one of them"),
        ({"most": -1}, "0 or more, got -1"),
        ({"max_error": 70000}, "from 0 to 65535, got 70000"),
        ({"max_noise": 0.0}, "above 0"),
        ({"max_noise": float("nan")}, "above 0"),
        ({"most": 0, "max_error": 0}, "leaves no room"),
        ({"most": 64_000, "hdr": True}, "leave `raw_budget` out"),
    ],
)
def test_numbers_that_bound_nothing_are_refused(given: dict[str, float], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        RawBudget(**given)  # type: ignore[arg-type]


def test_bounds() -> None:
    assert not RawBudget(64_000).bounded
    assert RawBudget(max_error=0).bounded
    assert RawBudget(max_noise=3).bounded
