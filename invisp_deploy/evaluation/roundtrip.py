"""The round trip of one RAW file through files on disk: RAW -> JPEG -> DNG, measured and drawn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.evaluation.metrics import DEFINITIONS, raw_psnr, raw_psnr_paper, rgb_psnr
from invisp_deploy.files import check_output, whole_file, write_whole
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.levels import levels_of
from invisp_deploy.rendering.files import RunOptions, StartProgress, recover_file, render_file
from invisp_deploy.report.sheet import FULL_SCALE, Sheet, draw_sheet
from invisp_deploy.runtimes.base import Runtime

__all__ = ["RoundTrip", "round_trip"]


@dataclass(frozen=True)
class RoundTrip:
    """Files and figures. metrics: name to dB, as `evaluation.metrics.DEFINITIONS` defines them."""

    jpeg: Path
    dng: Path
    picture: Path
    report: Path
    metrics: dict[str, float]


def round_trip(
    raw: Path, folder: Path, forward: Runtime, inverse: Runtime, options: RunOptions, start: StartProgress
) -> RoundTrip:
    """Render, recover, compare; writes STEM.jpg, STEM.dng, roundtrip.png, report.json and report.md to `folder`.

    Both graphs must come from the same weights (ContractError); none of the files may be there already unless
    `options.overwrite`, and none may be the RAW file itself (RequestError). Raises InvispError.
    """
    if forward.card.weights != inverse.card.weights:
        raise ContractError("The forward and the inverse graph come from different weights: pass both of one export.")
    trip = RoundTrip(
        folder / f"{raw.stem}.jpg", folder / f"{raw.stem}.dng", folder / "roundtrip.png", folder / "report.md", {}
    )
    facts_file = folder / "report.json"
    outputs = (trip.jpeg, trip.dng, trip.picture, facts_file, trip.report)
    if raw.resolve() in [output.resolve() for output in outputs]:
        raise RequestError(f"The report would replace {raw} itself: name another folder.")
    for output in outputs:
        check_output(output, overwrite=options.overwrite)
    rendered = render_file(raw, trip.jpeg, forward, options, start)
    recovered_run = recover_file(trip.jpeg, trip.dng, inverse, options, start)
    frame, recovered = read_raw(raw), read_raw(trip.dng)
    picture = read_picture(trip.jpeg)
    if picture.record is None:
        raise ContractError(f"{trip.jpeg} lost its way back.")
    inner = picture.record.border.cut(*picture.pixels.shape[:2])
    levels = levels_of(frame, forward.card.contract)
    target = render_libraw(raw)
    decoded = picture.pixels[inner].astype("uint8", copy=False)
    trip.metrics.update(
        {
            "rgb-psnr": rgb_psnr(decoded, target),
            "raw-psnr-paper": raw_psnr_paper(recovered.mosaic, frame.mosaic, levels),
            "raw-psnr": raw_psnr(recovered.mosaic, frame.mosaic, levels),
        }
    )
    size = trip.jpeg.stat().st_size
    sheet = Sheet(
        frame.mosaic,
        recovered.mosaic,
        levels,
        decoded,
        (
            f"RAW: {raw.name}, {raw.stat().st_size / 1e6:.1f} MB",
            f"JPEG: {size / 1e6:.1f} MB, {trip.metrics['rgb-psnr']:.1f} dB to LibRaw's rendering",
            f"RAW recovered from the JPEG: {trip.metrics['raw-psnr-paper']:.1f} dB (raw-psnr-paper)",
            f"difference of the two RAWs, white = {FULL_SCALE:.0%} of full scale",
        ),
    )
    from PIL import Image

    with whole_file(trip.picture) as part:
        Image.fromarray(draw_sheet(sheet)).save(part, "PNG")
    facts: dict[str, Any] = {
        "file": raw.name,
        "camera": frame.camera,
        "size": [frame.mosaic.shape[1], frame.mosaic.shape[0]],
        "weights": forward.card.weights,
        "configuration": str(forward.card.config),
        "runtimes": [forward.name, inverse.name],
        "quality": options.quality,
        "subsampling": options.subsampling,
        "jpeg_bytes": size,
        "raw_bytes": raw.stat().st_size,
        "seconds": {"render": rendered.seconds, "recover": recovered_run.seconds},
        "metrics": trip.metrics,
        "definitions": {name: DEFINITIONS[name] for name in trip.metrics},
    }
    write_whole(facts_file, json.dumps(facts, indent=2, sort_keys=True) + "\n")
    write_whole(trip.report, _markdown(facts))
    return trip


def _markdown(facts: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {name} | {value:.2f} | {facts['definitions'][name]} |" for name, value in facts["metrics"].items()
    )
    return f"""# Round trip of {facts["file"]}

{facts["camera"]}, {facts["size"][0]}x{facts["size"][1]}; weights {facts["weights"][:12]} ({facts["configuration"]}).
JPEG quality {facts["quality"]}, {facts["subsampling"]}: {facts["jpeg_bytes"]:,} bytes.
The RAW file has {facts["raw_bytes"]:,}.

![RAW, JPEG, recovered RAW, error map](roundtrip.png)

| metric | dB | definition |
|---|---|---|
{rows}
"""
