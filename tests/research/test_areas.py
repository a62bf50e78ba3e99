"""Areas: the same for every method, of the phase asked for; windows equal the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from invisp_deploy.dataset.open import Dataset
from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.demosaic import window_cfa
from invisp_deploy.research import areas
from invisp_deploy.research.areas import GRAIN, Terms, apply, areas_of, patches_of


@pytest.mark.parametrize("settings", [Terms(), Terms(tiles=5, tile_size=64)])
def test_areas_have_the_phase_that_is_asked_for(settings: Terms, photo_set: Dataset) -> None:
    for shot in photo_set.shots("test"):
        for cfa in ("RGGB", "GRBG", "any"):
            found = areas_of(shot, cfa, settings)
            assert len(found) == (settings.tiles or 1)
            for rows, columns in found:
                assert window_cfa(shot.facts.frame.cfa, rows.start, columns.start) == ("RGGB" if cfa == "any" else cfa)
                assert (rows.stop - rows.start) % GRAIN == (columns.stop - columns.start) % GRAIN == 0
                assert 0 <= rows.start < rows.stop <= shot.facts.height
                assert 0 <= columns.start < columns.stop <= shot.facts.width


def test_tiles_are_fixed_by_seed_and_file(photo_set: Dataset) -> None:
    first, second = photo_set.shots("test")
    settings = Terms(tiles=4, tile_size=64)
    assert areas_of(first, "RGGB", settings) == areas_of(first, "RGGB", Terms(tiles=4, tile_size=64))
    assert areas_of(first, "RGGB", settings) != areas_of(first, "RGGB", replace(settings, seed=1))
    assert areas_of(first, "RGGB", settings) != areas_of(second, "RGGB", settings)
    assert "not whole files" in settings.extent


def test_what_cannot_be_cut_is_refused(photo_set: Dataset) -> None:
    shot = photo_set.shots("test")[0]
    with pytest.raises(RequestError, match=r"258x226: too small, expected 257 pixels"):
        areas_of(shot, "any", Terms(tiles=1, tile_size=256))
    with pytest.raises(RequestError, match="multiple of 32"):
        Terms(tile_size=100)
    with pytest.raises(RequestError, match="at least 1"):
        Terms(tiles=0)


def test_patches_lie_as_the_authors_cut_them() -> None:
    patches = patches_of((330, 400), Terms())
    covered = np.zeros((330, 400), int)
    for patch in patches:
        covered[patch] += 1
    assert len(patches) == 9
    assert covered.max() == 1
    assert covered.sum() == 9 * 96 * 128
    assert patches_of((64, 96), Terms(tiles=1)) == [(slice(0, 64), slice(0, 96))]


def test_windows_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of radius 6 over a picture that is cut into windows with 64 around them."""
    torch.manual_seed(0)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(6)))

        def inverse(self, rgb: Tensor) -> Tensor:
            assert max(rgb.shape[-2:]) <= limit
            result: Tensor = self.body(rgb)
            return result

    network, planes = Network(), np.random.default_rng(0).random((3, 320, 256), np.float32)
    limit = 320
    whole = apply(network, Direction.INVERSE, planes)
    monkeypatch.setattr(areas, "_AT_ONCE", 1)
    monkeypatch.setattr(areas, "_CORE", 96)
    monkeypatch.setattr(areas, "_HALO", 64)
    limit = 96 + 2 * 64
    assert np.allclose(apply(network, Direction.INVERSE, planes), whole, atol=1e-6)
