"""What is measured: one graph or engine on one tile, with a key by which two measurements find each other's cases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from invisp_deploy.benchmark.timing import Contender, HasDevice
from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Feeds, Runtime
from invisp_deploy.runtimes.golden import natural_feeds
from invisp_deploy.runtimes.open import open_graph, open_runtime
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES


@dataclass(frozen=True)
class Candidate:
    """A file to measure. label: given as LABEL=PATH, or the path where another file has the same key."""

    path: Path
    label: str = ""
    provider: str | None = None

    @property
    def is_engine(self) -> bool:
        return self.path.suffix.lower() in ENGINE_SUFFIXES


@dataclass(frozen=True)
class Key:
    """What a case is, whatever the versions and the paths. tile: height x width in pixels."""

    runtime: str
    configuration: str
    precision: str
    form: str
    direction: str
    tile: str
    label: str = ""

    def __str__(self) -> str:
        words = (
            self.label,
            self.runtime,
            self.configuration,
            self.precision,
            self.form,
            self.direction,
            self.tile,
        )
        return " ".join(word for word in words if word and word != "mosaic")

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Case:
    """A runtime, its input and its key. task: what a process of its own needs to open the same (`alone`)."""

    key: Key
    runtime: Runtime
    feeds: Feeds
    tile: tuple[int, int]
    task: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Array:
        """The one output."""
        return self.runtime.run(self.feeds)[self.runtime.outputs[0].name]

    @property
    def contender(self) -> Contender:
        runtime, feeds = self.runtime, self.feeds
        if not isinstance(runtime, HasDevice):
            return Contender(lambda: runtime.run(feeds))

        def parts() -> Any:
            timed = runtime.timed(feeds)
            return None if timed is None else timed[1]

        return Contender(lambda: runtime.run(feeds), parts)

    @property
    def megapixels(self) -> float:
        """Of the input."""
        return self.tile[0] * self.tile[1] / 1e6

    @property
    def net_megapixels(self) -> float:
        """Of the core that a tile inside a picture has: the input without the halo; 0 where that leaves nothing."""
        height, width = (max(side - 2 * self.runtime.card.reach, 0) for side in self.tile)
        return height * width / 1e6

    @property
    def gflop(self) -> float:
        """Of one call: two for each multiply-accumulate of a convolution, nothing else counted."""
        return 2 * self.runtime.card.config.macs_per_pixel * self.megapixels / 1e3


def candidates_of(arguments: Sequence[str], providers: Sequence[str]) -> list[Candidate]:
    """Files of `[LABEL=]PATH` arguments; a folder stands for its graphs and engines of both directions, sorted.

    A graph is taken once for each provider, once for the default where there is none. Raises RequestError for what is
    not there, and for a folder without any.
    """
    candidates = []
    for argument in arguments:
        label, separator, rest = argument.partition("=")
        label, path = (label, Path(rest)) if separator and not Path(argument).exists() else ("", Path(argument))
        if not path.exists():
            raise MissingFileError(f"There is no graph or engine {path}.")
        files = sorted(_engines(path)) if path.is_dir() else [path]
        if not files:
            raise RequestError(f"The folder {path} holds no graph (.onnx) and no engine: name what to measure.")
        for file in files:
            takes = [*providers] if providers and file.suffix.lower() == ".onnx" else [None]
            candidates += [Candidate(file, label, provider) for provider in takes]
    if not candidates:
        raise RequestError("There is nothing to measure: name graphs, engines or folders of them.")
    return candidates


def open_candidate(candidate: Candidate, threads: int) -> Runtime:
    """The file's runtime with that many threads on a CPU. Raises as `open_runtime`."""
    if candidate.is_engine:
        return open_runtime(candidate.path, candidate.provider)
    return open_graph(candidate.path, candidate.provider, threads)


def cases_of(
    candidates: Sequence[Candidate], runtimes: Sequence[Runtime], edges: Sequence[int], threads: int
) -> list[Case]:
    """One case for each file and tile that it takes; files that a key cannot tell apart are labelled by their path.

    Raises RequestError where two are the same file.
    """
    keys = Counter(_key(candidate, runtime, "") for candidate, runtime in zip(candidates, runtimes, strict=True))
    named = [
        replace(one, label=one.label or str(one.path)) if keys[_key(one, runtime, "")] > 1 else one
        for one, runtime in zip(candidates, runtimes, strict=True)
    ]
    cases = []
    for candidate, runtime in zip(named, runtimes, strict=True):
        task = {"kind": "tile", "graph": str(candidate.path), "provider": candidate.provider, "threads": threads}
        for tile in tiles_of(runtime, edges, candidate.path):
            key = _key(candidate, runtime, f"{tile[0]}x{tile[1]}")
            cases.append(Case(key, runtime, feeds_for(runtime, *tile), tile, {**task, "tile": list(tile)}))
    if doubled := [key for key, count in Counter(case.key for case in cases).items() if count > 1]:
        raise RequestError(f"Two cases are {doubled[0]}: label one of them, LABEL=PATH.")
    return cases


def tiles_of(runtime: Runtime, edges: Sequence[int], path: Path) -> list[tuple[int, int]]:
    """The squares that a runtime takes; an engine of a fixed tile takes its own and no other.

    Raises RequestError where it takes none of them.
    """
    limits, multiple = runtime.inputs[0].limits, runtime.card.multiple
    if limits is not None and limits.smallest == limits.largest:
        return [limits.largest]
    fitting = [edge for edge in edges if edge % multiple == 0]
    if limits is not None:
        low, high = max(limits.smallest), min(limits.largest)
        fitting = [edge for edge in fitting if low <= edge <= high]
    if not fitting:
        bounds = "" if limits is None else f" within {limits}"
        raise RequestError(
            f"{path} takes multiples of {multiple} pixels{bounds}, got `tiles` {','.join(map(str, edges))}: pass one "
            "of these."
        )
    return [(edge, edge) for edge in fitting]


def feeds_for(runtime: Runtime, height: int, width: int) -> dict[str, Any]:
    """Inputs like a picture, always the same."""
    return dict(natural_feeds(runtime.card, height, width))


def _engines(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if file.suffix.lower() in (".onnx", *ENGINE_SUFFIXES))


def _form(card: GraphCard) -> str:
    return card.form if card.bits == 8 else f"{card.form} {card.bits} bits"


def _key(candidate: Candidate, runtime: Runtime, tile: str) -> Key:
    card = runtime.card
    kind = runtime.engine.backend if runtime.engine is not None else re.sub(r" \d\S*", "", runtime.name, count=1)
    kept = f" ({len(card.kept)} kept fp16)" if card.kept else ""
    precision, way = f"{card.precision}{kept}", card.direction.value
    return Key(kind, str(card.config), precision, _form(card), way, tile, candidate.label)
