"""The page of a round trip from plain facts."""

from __future__ import annotations

from invisp_deploy.report.round_trip import round_trip_page


def test_figures_stand_with_their_definitions() -> None:
    page = round_trip_page(
        {
            "file": "photo|1.CR2",
            "camera": "Canon EOS 30D",
            "size": [3522, 2348],
            "weights": "0123456789abcdef",
            "configuration": "edge",
            "quality": 90,
            "subsampling": "4:2:2",
            "jpeg_bytes": 1234567,
            "raw_bytes": 7654321,
            "metrics": {"raw-psnr": 47.126},
            "definitions": {"raw-psnr": "dB, |difference|"},
        }
    )
    assert "| raw-psnr | 47.13 | dB, \\|difference\\| |" in page
    assert "# Round trip of photo|1.CR2" in page
    assert "3522x2348; weights 0123456789ab (edge)." in page
    assert "1,234,567 bytes.\nThe RAW file has 7,654,321." in page
