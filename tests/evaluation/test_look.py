"""A look's figures, computed again by scikit-image and NumPy from files; which pixels clip; a report's pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.evaluation.look import LOOK_DEFINITIONS, LookCase, report_look
from invisp_deploy.rendering.files import run_file
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.options import RawBudget
from tests.graphs import write_graphs

OPTIONS = RunOptions(quality=85)
LOOK = replace(UNIVERSAL, look="soft")  # white as the shipped closed form takes it, which clipping is compared with


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("soft")
    write_graphs(folder, NetworkConfig(1, 4, 2), LOOK, 3)
    return folder


@pytest.fixture(scope="module")
def found(look: Path, look_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("out") / "report"
    with load(look) as model, load("universal") as against:
        facts = report_look(look_data, "test", folder, LookCase(model, against, look_data.train, "other"), OPTIONS)
    assert json.loads((folder / "report.json").read_text(), parse_constant=pytest.fail) == facts
    return folder, facts


def test_the_figures_of_a_file(
    found: tuple[Path, dict[str, Any]], look: Path, look_data: Dataset, tmp_path: Path
) -> None:
    shot = look_data.test[1]
    target, frame = shot.target(), shot.frame
    row = next(row for row in found[1]["files"] if row["file"] == shot.name)
    with load(look) as model, load("closed-form") as plain:
        run_file(frame, tmp_path / "a.jpg", model, OPTIONS, name="a")
        carried = model.recover(tmp_path / "a.jpg").mosaic
        alone = model.recover(tmp_path / "a.jpg", replace(OPTIONS, raw_budget=RawBudget(0))).mosaic
        closed = plain.render(frame, OPTIONS).pixels[: len(target), : target.shape[1]]
    with Image.open(tmp_path / "a.jpg") as image:
        picture = np.asarray(image)[: len(target), : target.shape[1]]
    far = deltaE_ciede2000(rgb2lab(target), rgb2lab(picture))
    assert row["look"]["psnr"] == pytest.approx(peak_signal_noise_ratio(target, picture))
    assert row["look"]["de2000"] == pytest.approx(np.median(far), rel=1e-4)
    assert row["look"]["de2000-95"] == pytest.approx(np.quantile(far, 0.95), rel=1e-4)
    assert row["bytes"] == (tmp_path / "a.jpg").stat().st_size
    clipped = ((target > 249) | (closed > 249)).any(axis=2)
    assert row["clipped"] == clipped.mean() > 0.1
    span = shot.recipe(LOOK).white - np.mean(frame.black)
    for name, mosaic in (("raw", alone), ("carried", carried)):
        missed = np.square(mosaic.astype(float) - frame.mosaic) / span**2
        for ending, pixels in (("", clipped | True), ("-unclipped", ~clipped), ("-clipped", clipped)):
            assert row["look"][name + ending] == pytest.approx(-10 * np.log10(missed[pixels].mean()), abs=1e-6)
    assert row["look"]["carried"] > row["look"]["raw"], "of highlights, as the look has no predictor"


def test_every_method_has_every_figure_and_a_target_is_nearest_to_itself(
    found: tuple[Path, dict[str, Any]], look_data: Dataset
) -> None:
    facts = found[1]
    assert [row["file"] for row in facts["files"]] == ["b", "g"]
    assert facts["refused"] == []
    for key in ("look", "against", "closed"):
        assert set(facts["mean"][key]) == set(LOOK_DEFINITIONS)
        assert facts["mean"][key]["psnr"] == pytest.approx(np.mean([row[key]["psnr"] for row in facts["files"]]))
        assert facts["mean"]["jpeg"]["psnr"] > facts["mean"][key]["psnr"]
    assert facts["mean"]["closed"]["psnr"] > facts["mean"]["against"]["psnr"], "it was fitted to this look"
    assert (facts["closed"]["files"], facts["closed"]["fitted_to"]) == (5, "other")
    assert facts["against"]["name"] == "universal"
    assert facts["dataset"]["target"] == Path(look_data.options.target).name, "not where it lies"


def test_the_report_shows_the_figures_and_the_pictures(found: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = found
    assert sorted(path.name for path in folder.iterdir()) == ["look.png", "report.json", "report.md"]
    page = (folder / "report.md").read_text()
    for key, digits in (("psnr", 2), ("de2000", 2), ("raw-unclipped", 2)):
        for method in ("look", "against", "closed"):
            assert f"| {facts['mean'][method][key]:.{digits}f} " in page
    assert "](look.png)" in page
    assert all(text in page for text in LOOK_DEFINITIONS.values())
    with Image.open(folder / "look.png") as picture:
        assert picture.width > 4 * 300
        assert np.asarray(picture).std() > 20
