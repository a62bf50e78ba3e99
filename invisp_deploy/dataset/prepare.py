"""RAW files into a dataset: in parallel, and after a kill from where it stood."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from invisp_deploy.dataset.open import (
    DATASET_FILE,
    DATASET_FORMAT,
    PREPARING_FILE,
    VERSION,
    Dataset,
    Shot,
    ShotFacts,
    facts_path,
    open_dataset,
)
from invisp_deploy.dataset.options import PrepareOptions, check_names, held_out_names
from invisp_deploy.dataset.sources import SourceFile
from invisp_deploy.dataset.targets import check_pictures, stored_picture
from invisp_deploy.dataset.tones import odd_tones
from invisp_deploy.dataset.write import Task, write_shot
from invisp_deploy.errors import DatasetError, RequestError
from invisp_deploy.files import output_folder, write_whole
from invisp_deploy.plain_json import parse_json


@dataclass(frozen=True)
class Refused:
    """A file that is not in the dataset, and the sentence that says why."""

    path: str
    reason: str


def prepare(
    sources: Sequence[SourceFile],
    folder: Path,
    options: PrepareOptions,
    *,
    jobs: int = 1,
    resume: bool = False,
    on_file: Callable[[Path], object] = lambda path: None,
    on_refused: Callable[[Refused], object] = lambda refused: None,
) -> tuple[Dataset, list[Refused]]:
    """Make a dataset of the sources; `jobs` processes give the same bytes as one.

    resume: go on with what a killed run left, or mend and extend a finished dataset: shots that are as they were
    written stay, refused files are tried again. The files of before must all be named again.
    Files that are refused are told and left out; they are sorted by path in what is returned. So are files whose
    pictures have other tones than the rest, unless `options.any_tones`.
    Raises RequestError for another split list than the files allow, an output that exists, a folder of pictures or a
    program that is not there, or a resume with other options or files; OutputError where a file cannot be written;
    DatasetError if no file could be used or a worker process died.
    """
    check_names([source.path.name for source in sources if not source.made], options)
    check_pictures(options)
    _check_folder(folder, options, sources, resume=resume)
    with output_folder(folder):
        _begin(folder, options)
        done = {source.name: facts for source in sources if (facts := _finished(folder, source, options)) is not None}
        tasks = []
        for source in sources:
            if source.name in done:
                on_file(source.path)
            else:
                tasks.append(Task(source, folder, options))
        refused = []
        for task, outcome in _outcomes(tasks, jobs):
            if isinstance(outcome, str):
                refused.append(Refused(str(task.source.path), outcome))
                on_refused(refused[-1])
            else:
                done[task.source.name] = outcome
            on_file(task.source.path)
        for one in refused:  # what an earlier run made of the file
            facts_path(folder, Path(one.path).stem).unlink(missing_ok=True)
        curves = {name: facts.tones for name, facts in done.items() if facts.tones is not None}
        for name, how in ({} if options.any_tones else odd_tones(curves)).items():
            refused.append(_left_out(done.pop(name), how))
            on_refused(refused[-1])
        refused.sort(key=lambda one: one.path)
        if not done:
            if not resume:
                _undo(folder)
            raise DatasetError(f"None of the {len(sources)} files could be used: {refused[0].reason}")
        _finish(folder, options, sources, done, refused)
    return open_dataset(folder), refused


def _left_out(facts: ShotFacts, how: str) -> Refused:
    """A file whose tones are not those of the rest; its shot stays, for with more files it may be like them."""
    return Refused(
        facts.source,
        f"{facts.source}: {how}: the camera or the program chose them for this picture; pass `any_tones` to keep it.",
    )


def _check_folder(folder: Path, options: PrepareOptions, sources: Sequence[SourceFile], *, resume: bool) -> None:
    """Refuse to overwrite, and to go on with anything but what was begun.

    Hidden files, which a process that was killed early leaves, are no dataset.
    """
    if not resume:
        if folder.is_dir() and not all(path.name.startswith(".") for path in folder.iterdir()):
            raise RequestError(f"The output {folder} exists already: pass `resume` to go on, or name another folder.")
        return
    states = [folder / name for name in (PREPARING_FILE, DATASET_FILE) if (folder / name).is_file()]
    if not states:
        raise RequestError(f"There is no dataset to resume in {folder}: run without `resume`.")
    try:
        begun = PrepareOptions.from_dict(parse_json(states[0].read_text(encoding="utf-8"))["options"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{states[0]} is damaged: remove the folder and prepare it again.") from error
    old, new = begun.to_dict(), options.to_dict()
    del old["any_tones"]  # it decides which shots are listed, and makes none of them
    if changed := [f"{name} {old[name]}, now {new[name]}" for name in old if old[name] != new[name]]:
        raise RequestError(f"{folder} was begun with {'; '.join(changed)}: pass the same options to resume.")
    named = {source.name for source in sources}
    if left := sorted(path.stem for path in (folder / "facts").glob("*.json") if path.stem not in named):
        raise RequestError(f"{folder} has {len(left)} files that are not named now, the first is {left[0]}: name them.")


def _begin(folder: Path, options: PrepareOptions) -> None:
    """From here on the dataset is unfinished; what a killed process left half-written goes."""
    write_whole(folder / PREPARING_FILE, _json({"options": options.to_dict()}))
    (folder / DATASET_FILE).unlink(missing_ok=True)
    for name in ("mosaics", "targets", "facts", *(["sheets"] if options.of_others else [])):
        with output_folder(folder / name):
            pass
    for part in folder.rglob(".*.part"):
        part.unlink()


def _undo(folder: Path) -> None:
    """Take away what `_begin` made: nothing of a dataset that no file could be used for stays."""
    for name in ("mosaics", "targets", "facts"):
        (folder / name).rmdir()
    shutil.rmtree(folder / "sheets", ignore_errors=True)
    (folder / PREPARING_FILE).unlink()


def _finish(
    folder: Path,
    options: PrepareOptions,
    sources: Sequence[SourceFile],
    done: dict[str, ShotFacts],
    refused: list[Refused],
) -> None:
    used = [source for source in sources if source.name in done]
    test = held_out_names([source.path.name for source in used if not source.made], options)
    files = [
        {"split": "test" if source.path.name in test and not source.made else "train", **done[source.name].to_dict()}
        for source in used
    ]
    data = {
        "format": DATASET_FORMAT,
        "version": VERSION,
        "options": options.to_dict(),
        "files": files,
        "refused": [vars(one) for one in refused],
    }
    write_whole(folder / DATASET_FILE, _json(data))
    (folder / PREPARING_FILE).unlink()


def _outcomes(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, ShotFacts | str]]:
    if jobs == 1 or len(tasks) < 2:
        yield from ((task, write_shot(task)) for task in tasks)
        return
    workers = min(jobs, len(tasks))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        running = {pool.submit(write_shot, task): task for task in tasks}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool as error:
        raise DatasetError(
            "A worker process died, which happens when memory runs out: run it again with `resume` and fewer `jobs`."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """One core a worker, interrupts to the parent alone, and no life after the parent's."""
    os.environ["OMP_NUM_THREADS"] = "1"  # before LibRaw is loaded
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _json(data: Any) -> str:
    return json.dumps(data, indent=1) + "\n"


def _finished(folder: Path, source: SourceFile, options: PrepareOptions) -> ShotFacts | None:
    """Facts of a file that was prepared before and is still as it was written, from files of those sizes."""
    try:
        facts = ShotFacts.from_dict(parse_json(facts_path(folder, source.name).read_text(encoding="utf-8")))
        made = source.made or facts.metadata.made_from_photograph
        picture = stored_picture(source.path, options)
        sizes = (source.path.stat().st_size, facts.picture_bytes if picture is None else picture.stat().st_size)
        same_source = (facts.made, facts.raw_bytes, facts.picture_bytes) == (made, *sizes)
        shot = Shot(folder, facts)
        shot.check()
        shot.frame  # noqa: B018  maps the mosaic, which finds a wrong shape
        whole = zlib.crc32(shot.target_path.read_bytes()) == facts.jpeg_crc
    except Exception:  # whatever is wrong with it: it is made again
        return None
    return facts if same_source and whole else None
