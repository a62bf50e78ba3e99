"""Which GPU an engine may be for, by backend and precision."""

from __future__ import annotations

import pytest

from invisp_deploy.engines.targets import RTX_TARGETS, parse_targets, rtx_targets, tensorrt_targets
from invisp_deploy.errors import EngineError, RequestError
from invisp_deploy.runtimes.tensorrt.backend import load_backend
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice

ORIN = CudaDevice("Orin", "sm87", "12.6", 8_000_000_000)
ADA = CudaDevice("NVIDIA RTX 4090", "sm89", "13.0", 24_000_000_000)


def test_names_are_sorted_by_number_and_stand_once() -> None:
    assert parse_targets("sm120, sm86,sm89,sm86") == ("sm86", "sm89", "sm120")
    assert parse_targets(None) is None


@pytest.mark.parametrize("text", ["", "86", "sm8", "sm86;sm89", "sm86,", "SM86", "ada", "sm1200"])
def test_what_is_no_capability(text: str) -> None:
    with pytest.raises(RequestError, match="`targets` takes compute capabilities such as sm86,sm89, got"):
        parse_targets(text)


def test_the_table_is_that_of_the_installed_builder() -> None:
    members = load_backend("tensorrt-rtx").ComputeCapability.__members__
    assert sorted(RTX_TARGETS) == sorted(name.lower() for name in members if name.startswith("SM"))


def test_rtx_without_a_target_is_every_gpu_from_ampere_on_that_runs_the_precision() -> None:
    for precision in ("fp32", "fp16", "int8"):
        assert rtx_targets(None, precision) == ("sm80", "sm86", "sm89", "sm120", "sm121")
    assert rtx_targets(None, "fp8") == ("sm89", "sm120", "sm121")
    assert rtx_targets(("sm75",), "int8") == ("sm75",)


@pytest.mark.parametrize(
    ("target", "device"), [("sm87", "Jetson Orin"), ("sm90", "Hopper"), ("sm110", "Jetson Thor"), ("sm61", "sm61")]
)
def test_rtx_sends_other_gpus_to_tensorrt(target: str, device: str) -> None:
    with pytest.raises(EngineError, match=f"does not build for {target}.*`backend` tensorrt on the device") as caught:
        rtx_targets(("sm86", target), "fp32")
    assert device in str(caught.value)


def test_fp8_is_refused_below_sm89_whatever_builds_it() -> None:
    with pytest.raises(EngineError, match="is fp8, which sm80, sm86 cannot run; it needs sm89 or later.* int8 or"):
        rtx_targets(("sm80", "sm86", "sm89"), "fp8")
    with pytest.raises(EngineError, match="is fp8, which sm87 cannot run"):
        tensorrt_targets(None, "fp8", ORIN)
    assert rtx_targets(("sm89", "sm120"), "fp8") == ("sm89", "sm120")
    assert tensorrt_targets(None, "fp8", ADA) == ("sm89",)


def test_tensorrt_builds_for_the_gpu_at_hand_alone() -> None:
    assert tensorrt_targets(None, "int8", ORIN) == tensorrt_targets(("sm87",), "int8", ORIN) == ("sm87",)
    for asked in (("sm86",), ("sm86", "sm87")):
        with pytest.raises(EngineError, match=r"here sm87 \(Orin\), and `targets` asks for sm86.*build on that GPU"):
            tensorrt_targets(asked, "int8", ORIN)
