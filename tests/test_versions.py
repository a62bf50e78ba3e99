"""Versions against pip's own record and against what the modules say of themselves."""

from __future__ import annotations

from importlib import metadata

import numpy as np

import invisp_deploy
from invisp_deploy.versions import versions


def test_versions_are_those_installed() -> None:
    found = versions()
    assert found["invisp-deploy"] == invisp_deploy.__version__
    assert found["numpy"] == metadata.version("numpy") == np.__version__
    assert any(name.startswith("onnxruntime") for name in found)


def test_only_what_is_asked_for_and_there_is_noted() -> None:
    assert versions("numpy", "no-such-package") == {
        "invisp-deploy": invisp_deploy.__version__,
        "numpy": np.__version__,
    }
