"""PiSP's blocks against an encoder after the kernel's page, level by level."""

from __future__ import annotations

import numpy as np

from invisp_deploy.sensor.layouts import layout_named
from invisp_deploy.sensor.pisp import OFFSET
from invisp_deploy.sensor.unpack import unpack

FULL = 65536
GRIDS = (
    [level * FULL // 4096 for level in range(321)] + [321 * 16 + 16 + 32 * more for more in range(1000)],
    [level * FULL // 1024 for level in range(1024)],
    [level * FULL // 512 for level in range(512)],
    [level * FULL // 256 for level in range(95)] + [95 * 256 + 256 + 512 * more for more in range(81)],
)
"""DN of each level of a grid: multiples of a step, those of twice the step from where the page says so."""


def word_of(grid: int, levels: tuple[int, int, int, int]) -> int | None:
    """Four levels as the page packs them; None where the grid cannot say them."""
    q0, q1, q2, q3 = levels
    if grid == 3:
        pairs = [2816 * (one >> 4) + 16 * two + (one & 15) for one, two in ((q0, q1), (q2, q3))]
        return 3 | pairs[0] << 2 | pairs[1] << 17 if max(levels) < 176 else None
    both_high = grid == 2 and 384 <= q1 < 512 and 384 <= q2 < 512
    fields = [q1, q2 & 127] if both_high else [min(q1, q2), q2 - q1 + 64]
    for outer, inner in ((q0, q1), (q3, q2)):
        fields.append(outer - 384 if grid == 2 and 448 <= inner < 512 else outer - max(0, inner - 64))
    if not (0 <= fields[0] < 512 and all(0 <= field < 128 for field in fields[1:])):
        return None
    if grid == 2 and not both_high and fields[0] >= 384:
        return None
    word, place = grid, 2
    for field, bits in zip(fields, (9, 7, 7, 7), strict=True):
        word |= field << place
        place += bits
    return word


def test_every_grid_decodes_to_what_was_coded() -> None:
    rng = np.random.default_rng(3)
    words, expected = [], []
    while len(words) < 4000:
        grid = len(words) % 4
        centre = int(rng.integers(0, 176 if grid == 3 else 512))
        spread = 176 if grid == 3 else 64
        levels = tuple(int(level) for level in np.clip(centre + rng.integers(-spread, spread, 4), 0, 575))
        if (word := word_of(grid, levels)) is not None:
            words.append(word)
            expected.append([min(GRIDS[grid][level] + OFFSET, 65535) for level in levels])
    data = b"".join(word.to_bytes(4, "little") for word in words)
    blocks = np.array(expected).reshape(20, 100, 2, 4)  # rows, blocks, even and odd pixels
    mosaic = unpack(data, layout_named("PC1G"), 800, 20)
    np.testing.assert_array_equal(mosaic, blocks.transpose(0, 1, 3, 2).reshape(20, 800))
    assert {tuple(row) for row in np.array(expected)[3::4] > 65000} != {(False,) * 4}, "the highest levels are seen"


def test_a_row_that_ends_within_a_block() -> None:
    words = [word_of(1, (q, q + 1, q + 2, q + 3)) for q in range(60, 72)]
    data = b"".join(word.to_bytes(4, "little") for word in words if word is not None) + bytes(2)
    assert len(data) == 50
    whole = unpack(data[:48], layout_named("PC1R"), 16, 3)
    mosaic = unpack(data[:24] + bytes(2) + data[24:], layout_named("PC1R"), 22, 2, 26)
    np.testing.assert_array_equal(mosaic, whole.reshape(2, 24)[:, :22])
    assert mosaic.flags.c_contiguous
