"""The folded views against the authors' numbers and against numpy's inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.tolerances import TOLERANCES


@pytest.mark.parametrize(
    ("view", "source", "target"), [(ForwardView, "raw", "rgb"), (InverseView, "rgb", "raw_from_rgb")]
)
def test_views_compute_what_the_authors_code_computes(
    authors: InvISP, golden_arrays: dict[str, np.ndarray], view: type[ForwardView], source: str, target: str
) -> None:
    with torch.no_grad():
        made = view(authors)(torch.from_numpy(golden_arrays[source])).numpy()
    assert np.abs(made - golden_arrays[target]).max() < TOLERANCES["golden"].limit


def test_views_of_a_squeezed_network_compute_what_it_computes(squeezed: InvISP) -> None:
    raw = torch.rand(2, 3, 6, 10, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        srgb = squeezed(raw)
        torch.testing.assert_close(ForwardView(squeezed)(raw), srgb)
        torch.testing.assert_close(InverseView(squeezed)(srgb), squeezed.inverse(srgb))


def test_mixing_is_rounded_once_from_float64(authors: InvISP) -> None:
    forward, inverse = ForwardView(authors), InverseView(authors)
    for block, (_, _, there), (_, _, back) in zip(
        authors.blocks(), forward.blocks(), reversed(inverse.blocks()), strict=True
    ):
        exact = block.invconv.matrix().detach().numpy()
        assert exact.dtype == np.float64
        assert np.array_equal(there.weight.detach().numpy()[..., 0, 0], exact.astype(np.float32))
        # numpy inverts by another route, so the last of float32's bits may differ
        np.testing.assert_allclose(
            back.weight.detach().numpy()[..., 0, 0], np.linalg.inv(exact), rtol=1.2e-7, atol=1e-9
        )


def test_views_share_the_dense_blocks_and_keep_no_factors(authors: InvISP) -> None:
    forward, inverse = ForwardView(authors), InverseView(authors)
    for block, one, other in zip(authors.blocks(), forward.couplings, inverse.couplings, strict=True):
        assert one.F is other.F is block.F
        assert one.G is other.G is block.G
        assert one.H is other.H is block.H
    names = set(forward.state_dict())
    assert not [name for name in names if "invconv" in name or "log_s" in name]
    assert len(names) == 2 * (3 * 5 * 2 + 1)
