"""Rate against RAW fidelity: one method's JPEGs over their quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from invisp_deploy.dataset.open import Dataset, Shot
from invisp_deploy.errors import RequestError
from invisp_deploy.report.markdown import number, table
from invisp_deploy.research.areas import Settings
from invisp_deploy.research.methods import Method, check_alike
from invisp_deploy.research.protocol import judge

QUALITIES: Final = (70, 74, 78, 82, 86, 90, 94, 98)


def rate(
    methods: Sequence[Method],
    dataset: Dataset,
    settings: Settings,
    qualities: Sequence[int] = QUALITIES,
    on_file: Callable[[Shot], object] = lambda shot: None,
) -> dict[str, Any]:
    """Bits per pixel and figures of every method that renders at every quality; plain data for JSON.

    Raises RequestError for a method that renders nothing, and as `judge`.
    """
    contract = check_alike(methods, dataset)
    rows = []
    for method in methods:
        if not method.renders:
            raise RequestError(f"{method.label!r} renders no JPEG, so it has no rate: leave it out.")
        points = []
        for quality in qualities:
            judged = judge(method, dataset, contract, replace(settings, quality=quality), on_file=on_file)
            bits = 8 * judged.jpeg_bytes / judged.pixels
            points.append({"quality": quality, "bits per pixel": bits, **judged.correct})
        rows.append({"label": method.label, "weights": method.weights, "points": points})
    return {
        "experiment": "rate",
        "camera": dataset.camera,
        "settings": {**settings.to_dict(), "quality": list(qualities)},
        "rows": rows,
    }


def rate_markdown(facts: Mapping[str, Any]) -> str:
    """One table for each method: quality, bits per pixel, figures."""
    names = ("bits per pixel", "rgb-psnr", "rgb-ssim", "raw-psnr-paper", "raw-psnr")
    settings = facts["settings"]
    parts = [f"{facts['camera']}, {settings['subsampling']}. On {settings['extent']}."]
    for row in facts["rows"]:
        lines = [
            [str(point["quality"]), *(number(point[name], 4 if "ssim" in name else 2) for name in names)]
            for point in row["points"]
        ]
        parts.append(f"{row['label']}:\n\n{table(['JPEG quality', *names], lines)}")
    return "\n\n".join(parts) + "\n"
