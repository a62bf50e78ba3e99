"""A round trip in words: the file, its sizes, figures with their definitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invisp_deploy.report.markdown import table


def round_trip_page(facts: Mapping[str, Any]) -> str:
    """What `report.json` of a round trip holds, in Markdown."""
    rows = [(name, f"{value:.2f}", facts["definitions"][name]) for name, value in facts["metrics"].items()]
    return f"""# Round trip of {facts["file"]}

{facts["camera"]}, {facts["size"][0]}x{facts["size"][1]}; weights {facts["weights"][:12]} ({facts["configuration"]}).
JPEG quality {facts["quality"]}, {facts["subsampling"]}: {facts["jpeg_bytes"]:,} bytes.
The RAW file has {facts["raw_bytes"]:,}.

![RAW, JPEG, recovered RAW, error map](roundtrip.png)

{table(("metric", "dB", "definition"), rows)}
"""
