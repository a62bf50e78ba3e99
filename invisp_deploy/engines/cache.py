"""Engines and kernel timings that were made before, kept by what decides them.

An entry is found by the digest over the fields of `engine_key`, and believed only if its plan has the digest that
its record states. Everything here may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from invisp_deploy.errors import OutputError
from invisp_deploy.files import write_whole
from invisp_deploy.plain_json import parse_json

_FORMAT: Final = 1


def cache_folder() -> Path:
    """$INVISP_CACHE, or invisp-deploy in $XDG_CACHE_HOME or ~/.cache, each with `engines` in it."""
    if own := os.environ.get("INVISP_CACHE"):
        return Path(own).expanduser() / "engines"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "invisp-deploy" / "engines"


def engine_key(fields: Mapping[str, Any]) -> str:
    """SHA-256 over the fields, sorted by name: the same fields give the same key everywhere."""
    text = json.dumps({"format": _FORMAT, **fields}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class CachedPlan:
    """A plan and how it was built, as the engine's card states it."""

    plan: bytes
    build: Mapping[str, Any]


class EngineCache:
    """One folder. Reading gives None for what is not there; what is there but damaged is noted, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []

    def load(self, key: str) -> CachedPlan | None:
        record, plan = self._paths(key)
        try:
            data = parse_json(record.read_text(encoding="utf-8"))
            content = plan.read_bytes()
            if hashlib.sha256(content).hexdigest() == data["engine"]:
                return CachedPlan(content, dict(data["build"]))
        except FileNotFoundError:
            if not record.exists():  # the record comes last, so a plan alone is an entry that was never finished
                return None
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self.notes.append(f"the cached engine {plan} is damaged and is built again")
        return None

    def store(self, key: str, entry: CachedPlan, fields: Mapping[str, Any]) -> None:
        """Keep a plan; a cache that cannot be written is noted and no error."""
        record, plan = self._paths(key)
        digest = hashlib.sha256(entry.plan).hexdigest()
        text = json.dumps({"engine": digest, "build": dict(entry.build), "key": dict(fields)}, indent=2, sort_keys=True)
        self._write((plan, entry.plan), (record, f"{text}\n"))

    def drop(self, key: str) -> None:
        """Forget a plan, if it is there; the record goes first."""
        for path in self._paths(key):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self.notes.append(f"{path} could not be deleted ({error.strerror}): delete it")

    def load_timings(self, fields: Mapping[str, Any]) -> bytes:
        """Kernel timings of one backend, version and GPU; empty where there are none."""
        try:
            return self._timings(fields).read_bytes()
        except OSError:
            return b""

    def store_timings(self, fields: Mapping[str, Any], data: bytes) -> None:
        if data:
            self._write((self._timings(fields), data))

    def _write(self, *files: tuple[Path, bytes | str]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path, data in files:
                write_whole(path, data)
        except (OSError, OutputError) as error:
            self.notes.append(f"the cache {self.folder} cannot be written ({error}); the next build starts anew")

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.json", self.folder / f"{key}.trt"

    def _timings(self, fields: Mapping[str, Any]) -> Path:
        return self.folder / f"timings-{engine_key(fields)[:16]}.bin"
