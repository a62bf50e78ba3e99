"""The tree that the module's docstring draws is the tree that exists."""

from __future__ import annotations

import re

import pytest

from invisp_deploy import errors
from invisp_deploy.errors import InvispError

DRAWN = dict(re.findall(r"(\w+)\s+exit code (\d)", errors.__doc__ or ""))


def test_every_class_is_drawn() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert set(DRAWN) == defined


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_exit_code_is_the_drawn_one(name: str) -> None:
    cls = getattr(errors, name)
    assert issubclass(cls, InvispError)
    assert cls.exit_code == int(DRAWN[name])
