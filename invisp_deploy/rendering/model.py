"""A model: the forward and the inverse graph of the same weights, opened when they are needed and closed once."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from invisp_deploy.contract import LIBRAW
from invisp_deploy.errors import ContractError, MissingFileError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.record import Record
from invisp_deploy.graph_card import BITS, Direction
from invisp_deploy.models import DEFAULT_MODEL, MODELS, model_of_weights, shipped_folder
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.recover import recover, restore, restoring_of
from invisp_deploy.rendering.render import render
from invisp_deploy.rendering.tiled import Progress, silent
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.open import open_runtime
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES

_SUFFIXES = (".onnx", *ENGINE_SUFFIXES)


class Model:
    """Both directions of one export. Its files are named forward and inverse, with 16 for those of 16 bits.

    name: what it was asked for by, for messages. named: direction and bits of the file that it was asked for by, if it
    was one. Use it as a context manager, or call `close`. One thread at a time, as its runtimes.
    """

    def __init__(
        self,
        name: str,
        files: dict[tuple[Direction, int], Path],
        provider: str | None,
        threads: int,
        named: tuple[Direction, int] | None = None,
    ) -> None:
        self.name = name
        self.named = named
        self._files = files
        self._provider, self._threads = provider, threads
        self._open: dict[tuple[Direction, int], Runtime] = {}

    @classmethod
    def of(cls, name: str, forward: Runtime, inverse: Runtime) -> Model:
        """A model of two runtimes that are open already, which it closes. Raises ContractError as `runtime`."""
        model = cls(name, {}, None, 0)
        for runtime in (forward, inverse):
            model._keep(Path(name), runtime, (runtime.card.direction, runtime.card.bits))
        return model

    def runtime(self, direction: Direction, bits: int = 8) -> Runtime:
        """The graph or engine of that direction and depth, opened at its first use.

        Raises RequestError where the model has none, ContractError where it is of other weights or another contract
        than what is open already, and whatever opening raises.
        """
        key = (direction, bits)
        if key not in self._open:
            path = next((self._files[key] for key in _preferred(direction, bits) if key in self._files), None)
            if path is None:
                raise RequestError(
                    f"The model {self.name} has no {direction.value} graph or engine: name the folder of an export, "
                    "which holds both directions."
                )
            runtime = open_runtime(path, self._provider, self._threads, bits=bits)
            if key not in self._files and runtime.card.bits != bits:
                runtime.close()
                raise RequestError(
                    f"{path} has codes of {runtime.card.bits} bits, a file of {bits} was asked for: .jpg and .png "
                    "have 8 bits, .tif, .exr and .avif 16; name the folder of an export, which holds graphs for both."
                )
            self._keep(path, runtime, key)
        return self._open[key]

    def render(
        self,
        raw: str | Path | RawFrame,
        options: RunOptions = RunOptions(),  # noqa: B008 - frozen
        *,
        bits: int = 8,
        progress: Progress = silent,
    ) -> Picture:
        """A RAW file or frame to a picture of 8 or 16 bits that carries its way back. Raises InvispError."""
        frame = raw if isinstance(raw, RawFrame) else read_raw(raw, max_pixels=options.max_pixels)
        name = "the frame" if isinstance(raw, RawFrame) else str(raw)
        runtime, inverse = self.runtime(Direction.FORWARD, bits), self.inverse_for_look(bits)
        return render(frame, runtime, options, name=name, progress=progress, inverse=inverse)

    def inverse_for_look(self, bits: int) -> Runtime | None:
        """The inverse that what a picture carries is fitted and compared with: of another look than LibRaw's."""
        look = self.runtime(Direction.FORWARD, bits).card.contract.look
        there = (Direction.INVERSE, bits) in {**self._files, **self._open}
        return self.runtime(Direction.INVERSE, bits) if look != LIBRAW and there else None

    def recover(
        self,
        picture: str | Path | Picture,
        options: RunOptions = RunOptions(),  # noqa: B008 - frozen
        *,
        progress: Progress = silent,
    ) -> RawFrame:
        """A picture that this model rendered, or its file, to the RAW frame it came from. Raises InvispError.

        One that carries a predictor needs no model, and opens no graph.
        """
        given = (
            picture
            if isinstance(picture, Picture)
            else read_picture(picture, force=options.force, max_pixels=options.max_pixels)
        )
        name = "the picture" if isinstance(picture, Picture) else str(picture)
        carried = restoring_of(given, options, name=name)
        if carried is not None and not carried.needs_network:
            return restore(carried, name, progress)
        inverse = self.runtime(Direction.INVERSE, given.pixels.dtype.itemsize * 8)
        return recover(given, inverse, options, name=name, progress=progress)

    def files(self, bits: int = BITS[0]) -> dict[Direction, Path]:
        """Its graphs and engines for pictures of so many bits."""
        return {way: path for (way, found), path in self._files.items() if found == bits}

    @property
    def only(self) -> Direction | None:
        """The direction of the file that it was asked for by; None where it was asked for as a pair."""
        return None if self.named is None else self.named[0]

    @property
    def opened(self) -> tuple[Runtime, ...]:
        """What is open so far."""
        return tuple(self._open.values())

    def close(self) -> None:
        """Close what was opened; it opens again when it is needed."""
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, path: Path, runtime: Runtime, key: tuple[Direction, int]) -> None:
        card = runtime.card
        fault = ""
        if (card.direction, card.bits) != key:
            fault = f"is {card.direction.value} with {card.bits} bits, expected {key[0].value} with {key[1]}"
        for other in self._open.values():
            if other.card.weights != card.weights:
                fault = f"has the weights {card.weights[:12]}, the other direction {other.card.weights[:12]}"
            elif other.card.contract != card.contract:
                fault = "has another camera contract than the other direction"
        if fault:
            runtime.close()
            raise ContractError(f"{path} does not belong to the model {self.name}: it {fault}; take one export whole.")
        self._open[key] = runtime


def load(model: str | Path | None = None, *, provider: str | None = None, threads: int = 0) -> Model:
    """A model by the name of a shipped one (default: the default one), by its folder, or by one of its files.

    provider: of ONNX Runtime, or "OpenVINO", for graphs. threads: of the CPU, 0 for all cores. Of a file, the other
    direction is what lies beside it (inverse.onnx beside forward.onnx). Nothing is opened yet but a file whose name
    does not say what it holds. Raises RequestError for what is not there.
    """
    if model is None or (isinstance(model, str) and model in MODELS):
        name = model or DEFAULT_MODEL
        return Model(name, _in_folder(shipped_folder(name)), provider, threads)
    path = Path(model)
    if path.is_dir():
        files = _in_folder(path)
        if not files:
            raise RequestError(
                f"The folder {path} holds no model: expected forward.onnx and inverse.onnx, or engines named so."
            )
        return Model(str(path), files, provider, threads)
    if not path.exists():
        raise MissingFileError(
            f"There is no model {model}: name a shipped one ({', '.join(MODELS)}), a folder of an export, or a file."
        )
    return _of_file(path, provider, threads)


class Models:
    """The model for every file of a batch, each opened at its first use and kept.

    model, provider, threads: as `load` takes them; without a model the shipped one that rendered a picture, and for RAW
    files the default one. One thread at a time. Raises as `load` where a file was named.
    """

    def __init__(self, model: str | Path | None = None, provider: str | None = None, threads: int = 0) -> None:
        self._given, self._provider, self._threads = model, provider, threads
        self._open: dict[str, Model] = {}
        self.only = None if model is None else self._load(model).only

    def for_file(self, decoded: RawFrame | Picture) -> Model:
        """Raises as `load`."""
        return self.for_record(decoded.record if isinstance(decoded, Picture) else None)

    def for_record(self, record: Record | None) -> Model:
        """The model for a picture that carries this record, or for what carries none. Raises as `load`."""
        return self._load(self._given or model_that_rendered(record))

    @property
    def verified(self) -> bool | None:
        """Whether all engines that were used are verified; None where none was."""
        said = [one.verified for model in self._open.values() for one in model.opened if one.verified is not None]
        return all(said) if said else None

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self) -> Models:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, model: str | Path | None) -> Model:
        if str(model) not in self._open:
            self._open[str(model)] = load(model, provider=self._provider, threads=self._threads)
        return self._open[str(model)]


def model_that_rendered(record: Record | None) -> str:
    """Name of the shipped model that rendered a picture with that record; the default one where none did."""
    return (model_of_weights(record.weights) if record is not None else None) or DEFAULT_MODEL


def _of_file(path: Path, provider: str | None, threads: int) -> Model:
    runtime = open_runtime(path, provider, threads)
    own = (runtime.card.direction, runtime.card.bits)
    files = {}
    if path.stem in _stems().values():  # a name of ours, so those beside it are, too
        files = {key: file for key, file in _in_folder(path.parent).items() if file.suffix == path.suffix}
    made = Model(str(path), {**files, own: path}, provider, threads, own)
    made._keep(path, runtime, own)
    return made


def _preferred(direction: Direction, bits: int) -> list[tuple[Direction, int]]:
    """A float graph has no depth of its own and stands for both, under the name of the first."""
    return [(direction, bits), *((direction, other) for other in BITS if other != bits)]


def _in_folder(folder: Path) -> dict[tuple[Direction, int], Path]:
    """Engines before graphs: whoever built them wants them run."""
    found: dict[tuple[Direction, int], Path] = {}
    for suffix in _SUFFIXES:
        for key, stem in _stems().items():
            if (path := folder / f"{stem}{suffix}").is_file():
                found[key] = path
    return found


def _stems() -> dict[tuple[Direction, int], str]:
    return {
        (direction, bits): f"{direction.value}{'' if bits == BITS[0] else bits}"
        for direction in Direction
        for bits in BITS
    }
