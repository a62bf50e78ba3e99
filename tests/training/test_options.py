"""Options of a run: what is accepted, and a sentence with the flag's name for what is not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.training.options import DataOptions, JpegOptions, LossOptions, OptimiserOptions


@pytest.mark.parametrize(
    ("kind", "name", "value", "words"),
    [
        (OptimiserOptions, "steps", 0, "`steps` must be at least 1, got 0"),
        (OptimiserOptions, "steps", 2.5, "`steps` must be a whole number, got 2.5"),
        (OptimiserOptions, "warmup", -1, "`warmup` must be at least 0, got -1"),
        (OptimiserOptions, "seed", -5, "`seed` must be at least 0, got -5"),
        (OptimiserOptions, "learning_rate", 0.0, "`learning_rate` must be a number above 0, got 0.0"),
        (OptimiserOptions, "learning_rate", math.nan, "`learning_rate` .* got nan"),
        (OptimiserOptions, "learning_rate", math.inf, "`learning_rate` .* got inf"),
        (OptimiserOptions, "learning_rate", "fast", "`learning_rate` must be a number, got 'fast'"),
        (OptimiserOptions, "clip_norm", 0, "`clip_norm` must be a number above 0, got 0"),
        (OptimiserOptions, "ema_decay", 1.0, "`ema_decay` must be from 0 .* got 1.0"),
        (OptimiserOptions, "schedule", "step", "`schedule` must be one of linear, cosine, halve, got 'step'"),
        (OptimiserOptions, "precision", "int8", "`precision` must be one of fp32, bf16, fp16, got 'int8'"),
        (DataOptions, "patch", 12, "`patch` must be at least 16, got 12"),
        (DataOptions, "patch", 34, "`patch` must be a multiple of 4, got 34"),
        (DataOptions, "batch", -1, "`batch` must be at least 1, got -1"),
        (LossOptions, "raw_weight", -0.1, "`raw_weight` must be a number of at least 0, got -0.1"),
        (LossOptions, "raw_weight", math.nan, "`raw_weight` .* got nan"),
        (LossOptions, "clipped_weight", -1, "`clipped_weight` must be a number of at least 0, got -1"),
        (LossOptions, "norm", "l3", "`norm` must be one of l1, l2, got 'l3'"),
        (JpegOptions, "rounding", "soft", "`rounding` must be one of fourier, dsq, .* got 'soft'"),
        (JpegOptions, "quality", (0, 90), "`quality` must be a number from 1 to 100, .* got \\(0, 90\\)"),
        (JpegOptions, "quality", (95, 90), "`quality`"),
        (JpegOptions, "quality", (90.0, 95), "`quality`"),
        (JpegOptions, "quality", (90,), "`quality`"),
        (JpegOptions, "subsampling", (), "`subsampling`"),
        (JpegOptions, "subsampling", ("4:1:1",), "`subsampling` must be one of 4:4:4, 4:2:2, 4:2:0"),
        (JpegOptions, "subsampling", ("4:2:2", "4:2:2"), "each once"),
    ],
)
def test_a_bad_value_is_refused_by_its_flag(kind: type, name: str, value: object, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        kind(**{name: value})


def test_the_least_of_everything_is_accepted() -> None:
    assert DataOptions(patch=16, batch=1).patch == 16
    assert LossOptions(raw_weight=0, clipped_weight=0).norm == "l1"
    least = OptimiserOptions(1, 1e-9, 0, "linear", 1e-9, 0, "fp32", 0)
    assert least.learning_rate_at(0) == 1e-9
    assert JpegOptions(quality=(1, 100)).typical == (50, "4:2:2")


OPTIONS = OptimiserOptions(steps=300, learning_rate=1.0, warmup=10)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("linear", {0: 0.1, 4: 0.5 * 296 / 300, 9: 291 / 300, 150: 0.5, 299: 1 / 300}),
        ("cosine", {0: 0.1, 100: 0.75, 150: 0.5, 200: 0.25, 299: 0.5 * (1 + math.cos(math.pi * 299 / 300))}),
        ("halve", {0: 0.1, 9: 1.0, 49: 1.0, 50: 0.5, 79: 0.5, 80: 0.25, 299: 0.25}),
    ],
)
def test_schedules(schedule: str, rates: dict[int, float]) -> None:
    options = replace(OPTIONS, schedule=schedule)
    for step, rate in rates.items():
        assert options.learning_rate_at(step) == pytest.approx(rate, rel=1e-3), step
