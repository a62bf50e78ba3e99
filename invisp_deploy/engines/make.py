"""One ONNX graph to one finished engine: everything refused before the work, everything written after the check."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invisp_deploy.arithmetic import QUANTISED
from invisp_deploy.engines.build import DEFAULT_LEVEL, BuildSettings, build_plan, check_level
from invisp_deploy.engines.cache import CachedPlan, EngineCache, engine_key
from invisp_deploy.engines.gate import can_run, check_engine, open_engine, self_psnr
from invisp_deploy.engines.profiles import make_profile
from invisp_deploy.engines.progress import BuildProgress
from invisp_deploy.engines.targets import parse_targets, rtx_targets, tensorrt_targets
from invisp_deploy.errors import EngineError, MissingFileError, MissingPackageError, ParityError, RequestError
from invisp_deploy.files import check_output, sha256_file, whole_folder, write_whole
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.runtimes.golden import golden_path, make_golden
from invisp_deploy.runtimes.open import open_graph
from invisp_deploy.runtimes.tensorrt.backend import require_backend
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice, find_device, require_device
from invisp_deploy.runtimes.tensorrt.engine_card import (
    BACKENDS,
    ENGINE_SUFFIXES,
    EngineCard,
    Profile,
    sidecar_path,
)


@dataclass(frozen=True)
class EngineRequest:
    """What was asked for, as text where a person types it.

    tile: "1024" or "768x1024"; sizes: smallest, optimal, largest; neither is the default tile. targets: "sm86,sm89".
    workspace: most megabytes that a layer may take beside its tensors; None for the builder's own limit.
    """

    onnx: Path
    output: Path
    backend: str = BACKENDS[0]
    tile: str | None = None
    sizes: tuple[str, str, str] | None = None
    targets: str | None = None
    level: int | None = None
    workspace: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class MadeEngine:
    """A written engine. cached: its plan was not built but found. notes: sentences for the user."""

    path: Path
    card: EngineCard
    cached: bool
    notes: tuple[str, ...]


def make_engine(
    request: EngineRequest,
    cache: EngineCache | None,
    progress: BuildProgress = lambda done, phase: None,
    on_phase: Callable[[str], object] = lambda phase: None,
) -> MadeEngine:
    """Build (or find in `cache`), check where a GPU can run it, and write plan, golden crops and, last, the sidecar.

    Raises RequestError for what cannot be as asked, GraphError for what is not our graph, EngineError for a backend,
    GPU or target that does not fit or a build that failed, ParityError for an engine that computes wrong,
    OutputError. In each case no file is left.
    """
    _check_paths(request)
    with open_graph(request.onnx) as reference:
        card = reference.card
        if card.form != "mosaic":
            raise RequestError(
                f"{request.onnx} is a float graph, which is for training and research: engines are built from those of "
                "`invisp export onnx` without `io`, which take a camera's mosaic."
            )
        profile = make_profile(card, request.tile, request.sizes)
        asked = parse_targets(request.targets)
        check_level(request.level, request.backend)
        settings, module, device = _settle(request, card, profile, asked)
        digest = sha256_file(request.onnx)
        fields = _fields(digest, settings, str(module.__version__), device)
        key = engine_key(fields)
        entry = cache.load(key) if cache is not None else None
        cached = entry is not None
        notes: list[str] = []
        if entry is None:
            timings = {name: fields[name] for name in ("backend", "version", "gpu")}
            on_phase("building")
            built = build_plan(
                module, request.onnx, settings, cache.load_timings(timings) if cache is not None else b"", progress
            )
            notes += built.notes
            entry = CachedPlan(
                built.plan,
                {
                    "seconds": round(built.seconds, 2),
                    "peak_memory": built.peak_memory,
                    "device_memory": built.device_memory,
                    "convolutions": dict(sorted(Counter(built.convolutions.values()).items())),
                    **fields["options"],
                },
            )
            if cache is not None:
                cache.store_timings(timings, built.timing_cache)
        on_phase("computing the reference on the CPU")
        golden = make_golden(reference, *profile.optimal)
    nearness = self_psnr(request.onnx, card, golden) if card.precision in QUANTISED else None
    engine = EngineCard(
        graph=card,
        backend=request.backend,
        backend_version=str(module.__version__),
        engine=hashlib.sha256(entry.plan).hexdigest(),
        onnx=digest,
        targets=settings.targets,
        profile=profile,
        device=_machine(None if settings.portable else device),
        build=entry.build,
        self_psnr=nearness,
    )
    names = (golden_path(request.output).name, request.output.name, sidecar_path(request.output).name)
    try:
        with whole_folder(request.output.parent, names, overwrite=request.overwrite) as folder:
            part = folder / request.output.name
            write_whole(part, entry.plan)
            write_whole(golden_path(part), golden.to_bytes())
            write_whole(sidecar_path(part), engine.to_json())
            if device is not None and can_run(engine, device):
                on_phase("checking")
                with open_engine(part) as runtime:
                    engine = engine.with_verified(check_engine(runtime, engine, golden, device))
                write_whole(sidecar_path(part), engine.to_json())
    except (EngineError, ParityError):
        if cache is not None:
            cache.drop(key)
        raise
    if cache is not None and not cached:
        cache.store(key, entry, fields)
    return MadeEngine(request.output, engine, cached, (*(cache.notes if cache is not None else ()), *notes))


def _check_paths(request: EngineRequest) -> None:
    if request.onnx.suffix.lower() in ENGINE_SUFFIXES:
        raise RequestError(f"{request.onnx} is named like an engine: pass the ONNX graph that it is to be built from.")
    if request.onnx.is_dir():
        raise RequestError(
            f"{request.onnx} is a folder: name the graph in it, such as {request.onnx / 'forward.onnx'}."
        )
    if not request.onnx.is_file():
        raise MissingFileError(f"There is no graph {request.onnx}: write one with `invisp-export onnx`.")
    if request.output.suffix.lower() not in ENGINE_SUFFIXES:
        raise RequestError(
            f"An engine is named {', '.join(ENGINE_SUFFIXES)}, got {request.output.name}: pass "
            f"-o {request.output.with_suffix(ENGINE_SUFFIXES[0])}."
        )
    for path in (request.output, golden_path(request.output), sidecar_path(request.output)):
        check_output(path, overwrite=request.overwrite)


def _settle(
    request: EngineRequest, card: GraphCard, profile: Profile, asked: tuple[str, ...] | None
) -> tuple[BuildSettings, Any, CudaDevice | None]:
    """Backend, device and targets, each proven before anything of NVIDIA's that would crash without it is touched."""
    if request.backend == "tensorrt-rtx":
        targets = rtx_targets(asked, card.precision)
        module, device = require_backend(request.backend), find_device()
    else:
        try:
            module = require_backend(request.backend)
            device = require_device("TensorRT")
        except (EngineError, MissingPackageError) as error:
            raise type(error)(f"{error} Without it, `backend` {BACKENDS[1]} builds for desktop GPUs.") from error
        targets = tensorrt_targets(asked, card.precision, device)
    workspace = None if request.workspace is None else request.workspace * 1_000_000
    return BuildSettings(request.backend, profile, targets, request.level, workspace), module, device


def _fields(onnx: str, settings: BuildSettings, version: str, device: CudaDevice | None) -> dict[str, Any]:
    """What decides a plan, and nothing else. TensorRT's depends on the GPU and driver that timed its kernels."""
    gpu = None
    if not settings.portable and device is not None:
        gpu = [device.name, device.capability, device.driver.partition(".")[0], platform.machine()]
    profile = settings.profile
    level = settings.level if settings.portable or settings.level is not None else DEFAULT_LEVEL
    return {
        "onnx": onnx,
        "backend": settings.backend,
        "version": version,
        "targets": list(settings.targets),
        "gpu": gpu,
        "profile": [list(size) for size in (profile.smallest, profile.optimal, profile.largest)],
        "options": {"optimization_level": level, "tf32": False, "workspace": settings.workspace},
    }


def _machine(device: CudaDevice | None) -> dict[str, str]:
    """Where the plan was built, by name; TensorRT for RTX does not ask which GPU that machine has."""
    system = {"system": f"{platform.system()} {platform.machine()}"}
    if device is None:
        return system
    return {**system, "name": device.name, "capability": device.capability, "driver": device.driver}
