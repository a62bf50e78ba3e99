"""The invertible 1x1 convolution: its inverse, its factors, and the matrices it keeps."""

from __future__ import annotations

import pytest
import torch

from invisp_deploy.network.mixing import InvertibleMixing


@pytest.fixture(params=[3, 12])
def mixing(request: pytest.FixtureRequest) -> InvertibleMixing:
    torch.manual_seed(request.param)
    layer = InvertibleMixing(request.param)
    layer.set_matrix(torch.randn(request.param, request.param, dtype=torch.float64))
    return layer.eval()


def test_starts_as_an_orthogonal_matrix() -> None:
    matrix = InvertibleMixing(12).matrix()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(12, dtype=torch.float64), atol=1e-6, rtol=0)


def test_takes_over_a_matrix() -> None:
    layer = InvertibleMixing(5)
    matrix = torch.randn(5, 5, dtype=torch.float64)
    layer.set_matrix(matrix)
    torch.testing.assert_close(layer.matrix(), matrix, atol=1e-5, rtol=0)  # factors are kept in float32


def test_inverse_matrix_is_torchs(mixing: InvertibleMixing) -> None:
    torch.testing.assert_close(mixing.inverse_matrix(), torch.linalg.inv(mixing.matrix()), atol=1e-9, rtol=1e-9)
    assert mixing.inverse_matrix().dtype == torch.float64


def test_each_pixel_is_multiplied(mixing: InvertibleMixing) -> None:
    channels = len(mixing.log_s)
    x = torch.randn(2, channels, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(mixing(x), torch.einsum("ij,bjhw->bihw", mixing.matrix(), x))
    torch.testing.assert_close(mixing.inverse(mixing(x)), x)


def test_entries_outside_the_triangles_do_not_count(mixing: InvertibleMixing) -> None:
    before = mixing.matrix()
    with torch.no_grad():
        mixing.lower.add_(torch.triu(torch.randn_like(mixing.lower)))
        mixing.upper.add_(torch.tril(torch.randn_like(mixing.upper)))
    torch.testing.assert_close(mixing.matrix(), before)


def builds(mixing: InvertibleMixing, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one each time the matrix is built from its factors."""
    counted: list[int] = []
    build = mixing.matrix
    monkeypatch.setattr(mixing, "matrix", lambda: counted.append(1) or build())
    return counted


def test_outside_training_matrices_are_built_once(mixing: InvertibleMixing, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = builds(mixing, monkeypatch)
    x = torch.randn(1, len(mixing.log_s), 2, 2)
    for _ in range(3):
        mixing(x)
        mixing.inverse(x)
    assert len(counted) == 1


def test_another_dtype_builds_its_own(mixing: InvertibleMixing) -> None:
    x = torch.randn(1, len(mixing.log_s), 2, 2)
    mixing(x)
    assert mixing(x.double()).dtype == torch.float64
    torch.testing.assert_close(mixing.inverse(mixing(x.double())), x.double())


def test_in_training_matrices_follow_the_parameters(mixing: InvertibleMixing) -> None:
    mixing.train()
    x = torch.randn(1, len(mixing.log_s), 2, 2)
    before = mixing(x)
    with torch.no_grad():
        mixing.log_s += 0.5
    assert not torch.allclose(mixing(x), before)


def test_train_and_eval_forget_the_kept_matrices(mixing: InvertibleMixing) -> None:
    x = torch.randn(1, len(mixing.log_s), 2, 2)
    before, back = mixing(x), mixing.inverse(x)
    mixing.train()
    with torch.no_grad():
        mixing.log_s += 0.5
    mixing.eval()
    assert not torch.allclose(mixing(x), before)
    assert not torch.allclose(mixing.inverse(x), back)


def test_loading_forgets_the_kept_matrices(mixing: InvertibleMixing) -> None:
    channels = len(mixing.log_s)
    x = torch.randn(1, channels, 2, 2)
    mixing(x)
    other = InvertibleMixing(channels).eval()
    mixing.load_state_dict(other.state_dict())
    torch.testing.assert_close(mixing(x), other(x))
    torch.testing.assert_close(mixing.inverse(x), other.inverse(x))


def test_both_directions_have_gradients(mixing: InvertibleMixing) -> None:
    mixing.train()
    x = torch.randn(1, len(mixing.log_s), 2, 2)
    for run in (mixing.forward, mixing.inverse):
        mixing.zero_grad()
        run(x).square().sum().backward()
        for name in ("lower", "log_s", "upper"):
            gradient = getattr(mixing, name).grad
            assert gradient.isfinite().all()
            assert gradient.abs().sum() > 0
