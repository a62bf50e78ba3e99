"""The public names from Python, as README and docs/python.md show them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import invisp_deploy
from invisp_deploy.formats.raw import read_raw

ROOT = Path(__file__).parent.parent


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_what_the_pages_show_runs_in_a_fresh_process(page: str, small_dng: Path, tmp_path: Path) -> None:
    shutil.copy(small_dng, tmp_path / "photo.dng")
    code = "\n".join(blocks(page)).replace("photo.CR2", "photo.dng").replace('save("photo.dng")', 'save("back.dng")')
    assert code.count("render(") == code.count("recover(") == (1 if page == "README.md" else 2)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    error = read_raw(tmp_path / "back.dng").mosaic.astype(int) - read_raw(small_dng).mosaic
    assert np.median(np.abs(error)) < 20
    if page != "README.md":
        network = read_raw(tmp_path / "network.dng").mosaic.astype(int) - read_raw(small_dng).mosaic
        assert 0 < np.median(np.abs(network)) < 20
        exact = invisp_deploy.load().recover(tmp_path / "exact.jpg").mosaic
        np.testing.assert_array_equal(exact, read_raw(small_dng).mosaic)


def test_readme_shows_five_lines() -> None:
    (shown,) = blocks("README.md")
    assert len(shown.strip().splitlines()) == 5


def test_every_public_name_is_there_and_no_other() -> None:
    assert len(invisp_deploy.__all__) == 10
    assert invisp_deploy.__all__ == sorted(invisp_deploy.__all__)
    for name in invisp_deploy.__all__:
        assert getattr(invisp_deploy, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        invisp_deploy.nonsense  # noqa: B018


def test_the_page_names_them_all() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert [name for name in invisp_deploy.__all__ if name not in page] == []


def test_steps_there_and_back_are_the_mosaic(small_dng: Path) -> None:
    from invisp_deploy.contract import CameraContract

    frame = invisp_deploy.read_raw(small_dng)
    recipe = frame.recipe(CameraContract())
    back = invisp_deploy.undevelop(invisp_deploy.develop(frame.mosaic, recipe), recipe)
    black = np.tile(np.reshape(recipe.black, (2, 2)), (128, 128))
    np.testing.assert_array_equal(back, np.maximum(frame.mosaic, black))
