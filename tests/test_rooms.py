"""What people import from the rooms: complete, and free of PyTorch until it is used."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("room", ["calibration", "training"])
def test_a_room_gives_its_names_on_use_and_costs_nothing_before(room: str) -> None:
    module = importlib.import_module(f"invisp_deploy.{room}")
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, invisp_deploy.{room}; print({{'torch', 'numpy'}} & set(sys.modules))"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


def test_the_function_stays_a_function_once_its_room_was_used() -> None:
    """A submodule of the same name would take its place."""
    code = (
        "import invisp_deploy.training.make, invisp_deploy.calibration.make\n"
        "from invisp_deploy.training import train; from invisp_deploy.calibration import calibrate\n"
        "from invisp_deploy.training import train as again; assert again is train\n"
        "print(train.__module__, calibrate.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["invisp_deploy.training.make", "invisp_deploy.calibration.make"]
