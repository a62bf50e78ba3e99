"""Invertible 1x1 convolution in LU form (Glow, Kingma and Dhariwal 2018, eq. 11)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class InvertibleMixing(nn.Module):
    """W = P (L + I) (U + diag(sign_s exp(log_s))) over channels, for (B, C, H, W).

    P and sign_s are buffers, L (strictly lower), U (strictly upper) and log_s are learned; the names are
    those of the authors' checkpoints. Both directions multiply by a matrix built in float64; outside
    training it is built once and kept until `train()` is called or weights are loaded.
    """

    p: Tensor
    sign_s: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        orthogonal = torch.linalg.qr(torch.randn(channels, channels, dtype=torch.float64))[0]
        self.register_buffer("p", torch.empty(channels, channels))
        self.register_buffer("sign_s", torch.empty(channels))
        self.lower = nn.Parameter(torch.empty(channels, channels))
        self.log_s = nn.Parameter(torch.empty(channels))
        self.upper = nn.Parameter(torch.empty(channels, channels))
        self._kept: tuple[Tensor, Tensor] | None = None
        self.set_matrix(orthogonal)
        self.register_load_state_dict_post_hook(_forget_kept)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def set_matrix(self, matrix: Tensor) -> None:
        """Take over an invertible (C, C) matrix."""
        permutation, lower, upper = torch.linalg.lu(matrix.double())
        diagonal = torch.diagonal(upper)
        self.p.copy_(permutation)
        self.sign_s.copy_(torch.sign(diagonal))
        self.lower.copy_(torch.tril(lower, -1))
        self.log_s.copy_(torch.log(diagonal.abs()))
        self.upper.copy_(torch.triu(upper, 1))
        self._forget()

    def matrix(self) -> Tensor:
        """W, (C, C) float64."""
        permutation, lower, upper = self._factors()
        product: Tensor = permutation @ lower @ upper
        return product

    def inverse_matrix(self) -> Tensor:
        """The inverse of W, (C, C) float64, from its triangular factors."""
        permutation, lower, upper = self._factors()
        identity = torch.eye(len(self.log_s), dtype=torch.float64, device=self.log_s.device)
        half = torch.linalg.solve_triangular(lower, identity, upper=False, unitriangular=True)
        inverse: Tensor = torch.linalg.solve_triangular(upper, half, upper=True) @ permutation.T
        return inverse

    def forward(self, x: Tensor) -> Tensor:
        """W x at every pixel."""
        return functional.conv2d(x, self._matrices(x)[0])

    def inverse(self, x: Tensor) -> Tensor:
        """W^-1 x at every pixel."""
        return functional.conv2d(x, self._matrices(x)[1])

    def train(self, mode: bool = True) -> InvertibleMixing:
        self._forget()
        return super().train(mode)

    def _matrices(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self._kept is not None and self._kept[0].device == x.device and self._kept[0].dtype == x.dtype:
            return self._kept
        pair = (self.matrix().to(x.dtype)[..., None, None], self.inverse_matrix().to(x.dtype)[..., None, None])
        if not self.training:
            self._kept = (pair[0].detach(), pair[1].detach())
        return pair

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        identity = torch.eye(len(self.log_s), dtype=torch.float64, device=self.log_s.device)
        lower = torch.tril(self.lower.double(), -1) + identity
        diagonal = torch.diag(self.sign_s.double() * torch.exp(self.log_s.double()))
        return self.p.double(), lower, torch.triu(self.upper.double(), 1) + diagonal

    def _forget(self) -> None:
        self._kept = None


def _forget_kept(module: nn.Module, _: object) -> None:
    if isinstance(module, InvertibleMixing):
        module._forget()
