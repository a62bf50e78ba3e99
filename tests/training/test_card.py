"""CARD.md: what people need to know of weights, and nothing that was not measured."""

from __future__ import annotations

from dataclasses import replace

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.training.card import card_text
from invisp_deploy.training.options import JpegOptions, OptimiserOptions
from invisp_deploy.training.run import Run, TrainingSource

RUN = Run(
    CameraContract("Canon", "Canon EOS 30D", white="adjusted"),
    NetworkConfig(2, 8, 2),
    source=TrainingSource(5, 3, "ab" * 32),
    jpeg=JpegOptions("dsq", (70, 98), ("4:2:2", "4:2:0")),
    optimiser=OptimiserOptions(steps=1200),
    minutes=2.0,
)
CARD = {"steps": 1200, "seconds": 119.46}
MACHINE = {"processor": "a processor", "torch": "2.13"}


def text(run: Run, **measured: object) -> str:
    return card_text(run, {**CARD, **measured}, macs=12345.6, weights="cd" * 32, machine=MACHINE)


def test_a_card_says_what_was_trained_on_what_and_at_what_cost() -> None:
    card = text(RUN)
    for words in (
        "# Canon EOS 30D, `2 blocks, growth 8, squeeze 2`",
        "| method | invisp |",
        "| multiply-accumulates a pixel and direction | 12,346 |",
        "5 files, 3 of them made from photographs; digest `abababababab`",
        "white adjusted",
        "rounding dsq, quality drawn from 70 to 98, subsampling 4:2:2 or 4:2:0",
        "119.5 s for 1,200 steps, crops read included, measuring and saving not; 2 minutes were asked for",
        "| processor | a processor |",
        "None were measured.",
    ):
        assert words in card


def test_figures_are_those_given() -> None:
    crops = {"crops": "test", "rgb_psnr": None, "raw_psnr": 41.236, "raw_psnr_clipped": None, "step": 3}
    card = text(RUN, crops=crops, validation={"a.dng": {"rgb-psnr": 30.0, "raw-psnr": 40.129}})
    assert "Crops of test files through JPEG in memory, peak 1 in the network's domain: raw_psnr 41.24 dB." in card
    assert "| file | rgb-psnr | raw-psnr |" in card
    assert "| a.dng | 30.00 | 40.13 |" in card
    assert "None" not in card


def test_of_another_look_it_is_said_that_whole_files_are_compared_with_libraw() -> None:
    files = {"a.dng": {"rgb-psnr": 19.6, "raw-psnr": 47.4}}
    assert "was not taught" not in text(RUN, validation=files)
    vivid = replace(RUN, contract=replace(RUN.contract, look="vivid"))
    assert "`rgb-psnr` is to LibRaw's rendering, which the look `vivid` was not taught; the crops' is." in text(
        vivid, validation=files
    )


def test_a_rival_and_a_run_without_jpeg_are_called_so() -> None:
    card = text(replace(RUN, method="unet", config=None, jpeg=JpegOptions("none")))
    assert "| method | unet |" in card
    assert "| simulated JPEG | none; measured at quality 90, 4:2:2 |" in card
