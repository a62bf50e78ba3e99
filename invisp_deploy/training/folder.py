"""The folder of a run: its log, its pictures, and the state that it goes on from."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image

from invisp_deploy.errors import CheckpointError, RequestError
from invisp_deploy.files import output_folder, whole_file, write_whole
from invisp_deploy.training.crops import Measured
from invisp_deploy.training.run import read_run

RUN_FILE: Final = "run.json"
WEIGHTS_FILE: Final = "weights.safetensors"
STATE_FILE: Final = "state.pt"
LOG_FILE: Final = "log.jsonl"


class Log:
    """Lines of `log.jsonl`, one JSON object each, in the order of the steps.

    Those of steps that an interrupted run lost, and a resumed one repeats, are left out.
    """

    def __init__(self, path: Path, first: int) -> None:
        """first: the step that the run goes on from."""
        self.path = path
        self.lines = [line for line in read_log(path) if line["step"] <= first] if first else []

    def add(self, line: dict[str, Any]) -> None:
        """Write the log with one more line, whole or not at all. Raises OutputError."""
        write_whole(self.path, "".join(f"{json.dumps(one)}\n" for one in [*self.lines, line]))
        self.lines.append(line)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Lines of a log, none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check_folder(folder: Path, *, resume: bool) -> None:
    """Raise RequestError where a run would overwrite another, or go on with none.

    A run that was killed before its first state is there, and goes on from its beginning. Hidden files, which a killed
    process leaves, are no run.
    """
    if resume and not any((folder / name).is_file() for name in (RUN_FILE, STATE_FILE)):
        raise RequestError(f"There is no run to resume in {folder}: start without `resume`.")
    if not resume and folder.is_dir() and not all(path.name.startswith(".") for path in folder.iterdir()):
        raise RequestError(f"The run {folder} exists already: pass `resume` to go on, or name another folder.")


def steps_of(folder: Path, minutes: float) -> int:
    """The steps that a run began with when it was asked for that time: they are not measured again."""
    earlier = read_run(folder / RUN_FILE)
    if earlier.minutes != minutes:
        raise RequestError(
            f"{folder / RUN_FILE} was asked for {earlier.minutes} minutes, not {minutes:g}: resume it as it began."
        )
    return earlier.optimiser.steps


def write_sample(folder: Path, measured: Measured) -> None:
    """Write `samples/STEP.png`. Raises OutputError."""
    stream = io.BytesIO()
    Image.fromarray(measured.picture).save(stream, "PNG")
    with output_folder(folder / "samples"):
        write_whole(folder / "samples" / f"{measured.step}.png", stream.getvalue())


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write all that a run goes on from. Raises OutputError; the state before it then stays."""
    with whole_file(path) as part, part.open("wb") as stream:  # to a path, PyTorch reports a full disk as RuntimeError
        torch.save(dict(state), stream)


def has_state(folder: Path) -> bool:
    """False for a run that was killed before its first state; True, too, where nothing says that there was a run."""
    return (folder / STATE_FILE).exists() or not (folder / RUN_FILE).is_file()


def read_state(
    path: Path, identity: Mapping[str, Any], load: Callable[[dict[str, Any]], object]
) -> tuple[int, float, list[tuple[float, float]]]:
    """Hand a state to `load`; its step, seconds and losses since the last report.

    identity: of the run, which goes on only as what it began as. Raises CheckpointError for a state that is missing,
    damaged or of another run, and names what differs.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = dict(state["identity"])
        if found == identity:
            load(state)
            return int(state["step"]), float(state["seconds"]), list(state["losses"])
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no state to resume: {path} does not exist; start without `resume`.") from error
    except Exception as error:  # damaged bytes make the unpickler raise IndexError, AssertionError, struct.error, ...
        raise CheckpointError(f"{path} is damaged and cannot be resumed: start without `resume`.") from error
    changed = [
        name.partition(".")[2] or name for name in {**identity, **found} if found.get(name) != identity.get(name)
    ]
    raise CheckpointError(f"{path} was trained with another {', '.join(changed)}: pass the same options to resume.")
