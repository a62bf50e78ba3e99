"""Engines opened for `verify`, and what becomes of the figures: the sidecars, and a report that can be sent back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from invisp_deploy import __version__
from invisp_deploy.device.verify import Subject, Verification, parity_kind
from invisp_deploy.files import sha256_file, write_whole
from invisp_deploy.graph_card import BITS, Direction
from invisp_deploy.rendering.model import load
from invisp_deploy.runtimes.golden import golden_path, read_golden
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES, read_engine_card, sidecar_path


@dataclass(frozen=True)
class Opened:
    """Engines by direction with their files; one of the two may be absent. others: files of the other depth, and it."""

    files: Mapping[Direction, Path]
    subjects: Mapping[Direction, Subject]
    others: tuple[tuple[Path, int], ...] = ()

    @property
    def forward(self) -> Subject | None:
        return self.subjects.get(Direction.FORWARD)

    @property
    def inverse(self) -> Subject | None:
        return self.subjects.get(Direction.INVERSE)

    @property
    def names(self) -> tuple[str, ...]:
        """One line each: file, direction, precision, runtime."""
        return tuple(
            f"{self.files[way]}: {way.value}, {one.runtime.card.precision}, {one.runtime.name}, against "
            f"{golden_path(self.files[way]).name}"
            for way, one in self.subjects.items()
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What lies there and was not measured, or would be needed for more; one sentence each."""
        one = [f"there is no {way.value} beside it: no round trip" for way in Direction if way not in self.files]
        return (*one, *(f"{path} is of {bits} bits and was not measured: name it" for path, bits in self.others))


@contextlib.contextmanager
def open_subjects(model: str | Path | None, provider: str | None = None) -> Iterator[Opened]:
    """Open what a model has, both directions or one, together with the golden files beside. model: as `load` takes it;
    a file of 16 bits stands for the pair of 16 bits.

    Raises what `load`, the runtimes and `read_golden` raise.
    """
    with load(model, provider=provider) as opened:
        bits = BITS[0] if opened.named is None else opened.named[1]
        files = {way: path for way in Direction if (path := opened.files(bits).get(way)) is not None}
        subjects = {
            way: Subject(opened.runtime(way, bits), read_golden(golden_path(path)), parity_kind(path))
            for way, path in files.items()
        }
        others = tuple((path, other) for other in BITS if other != bits for path in opened.files(other).values())
        yield Opened(files, subjects, others)


def verification_data(
    opened: Opened, done: Verification, machine: Mapping[str, str], versions: Mapping[str, str]
) -> dict[str, Any]:
    """Everything needed to judge the figures elsewhere; no names of people, hosts or folders.

    machine: `doctor.machine.Machine.to_dict`. versions: of the Python packages, by module.
    """
    return {
        "invisp_deploy": __version__,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": dict(machine),
        "versions": dict(versions),
        "engines": [
            {
                "file": opened.files[way].name,
                "sha256": sha256_file(opened.files[way]),
                "runtime": subject.runtime.name,
                "card": _card(opened.files[way], subject),
            }
            for way, subject in opened.subjects.items()
        ],
        **done.to_dict(),
    }


def record(opened: Opened, done: Verification, data: Mapping[str, Any]) -> list[Path]:
    """Write the figures into the sidecars of engines; graphs have none. Returns the files written.

    Only for a verification that passed: a sidecar's `verified` says what holds.
    """
    written = []
    for way, path in opened.files.items():
        if path.suffix.lower() not in ENGINE_SUFFIXES:
            continue
        mine = done.of(way)
        by_name = {figure.name: figure for figure in mine.figures}
        machine, main = data["machine"], by_name[f"{way.value} PSNR"]
        figures = {
            "psnr": round(main.value, 2),
            "psnr_limit": main.limit,
            "max_abs": by_name[f"{way.value} largest error"].value,
            "reference": opened.subjects[way].golden.reference,
            "size": [opened.subjects[way].golden.height, opened.subjects[way].golden.width],
            "device": machine["gpu"],
            "capability": machine.get("capability", ""),
            "driver": machine.get("cuda", ""),
            "versions": data["versions"],
            "date": data["date"],
            "latency_ms": {"p50": mine.latencies[0].p50, "p90": mine.latencies[0].p90, "runs": mine.latencies[0].runs},
        }
        if "round trip PSNR" in by_name:
            figures["round_trip_psnr"] = round(by_name["round trip PSNR"].value, 2)
        card = read_engine_card(path).with_verified(figures)
        write_whole(sidecar_path(path), card.to_json())
        written.append(sidecar_path(path))
    return written


def _card(path: Path, subject: Subject) -> Any:
    if path.suffix.lower() in ENGINE_SUFFIXES:
        return json.loads(read_engine_card(path).to_json())
    return subject.runtime.card.to_metadata()
