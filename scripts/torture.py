"""Commands that are killed at random moments, meet a full disk, a folder that is read-only, or another writer.

A kill: the command begins, SIGKILL comes after a random part of the time that it takes, and what can be seen then is
compared with what an undisturbed run wrote: every file is one of those, whole, or one that was there before. Then the
command is given again, with the option that goes on, and has to end with what an undisturbed run ends with.
Processes are forked from one that has imported everything: no kill is wasted on imports.

    python scripts/torture.py [--kills 1000] [--commands run,stream,prepare,train,export] [--seed 0] [--output FILE]

Exit code 1 where anything was found. Full disks and read-only folders are small file systems in memory, in a name
space of mounts of their own (`unshare` of util-linux); where the system forbids these, the table says so.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
CASES = [ROOT / "tests" / "data" / "cases" / f"{name}.dng" for name in ("gainmap", "default_crop", "gps_xmp")]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
IMPORTED = (
    *("onnx", "onnxruntime", "rawpy", "torch", "PIL.Image"),
    *(f"invisp_deploy.cli.{name}" for name in ("run", "stream", "prepare_raws", "train", "export_onnx")),
    *(f"invisp_deploy.{name}" for name in ("dataset.prepare", "export.write", "training.make", "network.checkpoint")),
    *(f"invisp_deploy.rendering.{name}" for name in ("files", "model", "recover", "render")),
    *(f"invisp_deploy.streaming.{name}" for name in ("live", "pipeline", "request", "work")),
)
TIMED = 3  # the first imports what the others have
LONG = 120.0  # seconds after which a command that goes on hangs
ORPHANS_END = 5.0  # seconds that workers have to notice that their parent is gone
STEPS = 60
TRAIN = ("--blocks", "1", "--growth", "4", "--patch", "32", "--steps", str(STEPS), "--sample-every", "20")
VARYING = (".jsonl", ".pt", ".safetensors", "CARD.md", "preparing.json")  # they tell the time, or go at the end


@dataclass(frozen=True)
class Job:
    """A command that writes to `out`, beside the inputs. `before`: puts something there that it replaces."""

    name: str
    words: str
    goes_on: str
    before: str = ""

    @property
    def command(self) -> str:
        return self.name.split(",")[0]


@dataclass
class Found:
    """What became of one kill."""

    job: str
    killed: bool
    visible: int = 0
    parts: int = 0
    orphans: int = 0
    wrong: list[str] = field(default_factory=list)


def one_export(out: Path) -> str | None:
    """Which graph is not that of the report beside it, if there is a report."""
    if not (out / "report.json").is_file():
        return None
    for name, facts in json.loads((out / "report.json").read_text())["files"].items():
        if not (out / name).is_file() or digest(out / name) != facts["sha256"]:
            return f"{name} is not that of report.json"
    return None


JOBS = (
    Job("run, JPEG", "run raws/gainmap.dng -o out/a.jpg", "--skip-existing"),
    Job("run, PNG", "run raws/gainmap.dng -o out/a.png", "--skip-existing"),
    Job("run, TIFF", "run raws/gainmap.dng -o out/a.tif", "--skip-existing"),
    Job("run, DNG", "run pictures/gainmap.jpg -o out/a.dng", "--skip-existing"),
    Job("run, replacing", "run raws/gainmap.dng -o out/a.jpg --overwrite", "", "run raws/gps_xmp.dng -o out/a.jpg"),
    Job("run, folder", "run raws -o out", "--skip-existing"),
    Job("run, folder back, 2 jobs", "run pictures -o out --jobs 2", "--skip-existing"),
    Job("stream, pictures", "stream raws -o out", "--overwrite"),
    Job("stream, DNG", "stream pictures -o out", "--overwrite"),
    Job("prepare, 1 job", "prepare raws {work}/raws -o out --jobs 1", "--resume"),
    Job("prepare, 2 jobs", "prepare raws {work}/raws -o out --jobs 2", "--resume"),
    Job("train", " ".join(("train raws/gainmap.dng -o out", *TRAIN)), "--resume"),
    Job("export, new", "export onnx --checkpoint weights/weights.safetensors --io tensor -o out", "--overwrite"),
    Job(
        "export, replacing",
        "export onnx --checkpoint weights/weights.safetensors --io tensor -o out --overwrite",
        "",
        "export onnx --checkpoint weights/weights.safetensors --io tensor --opset 18 -o out",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=1e9, help="of killing, after which no more are begun")
    parser.add_argument("--commands", default="run,stream,prepare,train,export")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-a-time", type=int, default=2)
    parser.add_argument("--output", type=Path, help="the tables, Markdown")
    parser.add_argument("--short", action="store_true", help="one disk that is too small for each command, not ten")
    parser.add_argument("--disks", type=Path, help=argparse.SUPPRESS)  # the part that needs mounts of its own
    given = parser.parse_args()
    import_everything()
    if given.disks:
        return disks(given.disks, 2 if given.short else 10)
    jobs = [job for job in JOBS if job.command in given.commands.split(",")]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        make_inputs(work, weights=any(job.command == "export" for job in jobs))
        lines, wrong = kills(work, jobs, given)
        for more, bad in (writers(work, 2 if given.short else 20), streams(work), full_disks(work, given)):
            lines += ["", *more]
            wrong += bad
    print("\n".join(lines))
    for line in wrong[:40]:
        print("WRONG", line)
    if given.output:
        given.output.write_text("\n".join(lines) + "\n")
    return int(bool(wrong))


def import_everything() -> None:
    for name in THREADS:
        os.environ[name] = "1"  # a process with threads cannot be forked, and networks this small lose by more
    for name in IMPORTED:
        importlib.import_module(name)
    from PIL import Image

    from invisp_deploy.training import loop

    Image.init()
    keywords: dict[str, object] = loop.fit.__kwdefaults__
    keywords["save_every"] = 10  # a run of seconds is to have states to go on from


def import_what_a_run_imported(place: Path) -> None:
    """Commands import some of it late, and a forked process notes what it has."""
    for name in (place / "modules").read_text().split():
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def make_inputs(work: Path, *, weights: bool) -> None:
    (work / "raws").mkdir()
    for case in CASES:
        shutil.copy(case, work / "raws")
    (work / "pictures").mkdir()
    undisturbed(work, "run raws -o pictures".split())
    if weights:
        undisturbed(work, ["train", "raws/gainmap.dng", "-o", "weights", *TRAIN])


def kills(work: Path, jobs: Sequence[Job], given: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Table and what was found."""
    wholes = {job: whole(work, job) for job in jobs}
    dice = random.Random(given.seed)
    trials = [(jobs[number % len(jobs)], dice.uniform(0.02, 1.2)) for number in range(given.kills)]
    found: list[Found] = []
    begun = time.perf_counter()
    with ProcessPoolExecutor(given.at_a_time, multiprocessing.get_context("fork")) as pool:
        waiting = [
            pool.submit(kill, work / f"kill{n}", work, job, part, wholes[job]) for n, (job, part) in enumerate(trials)
        ]
        for number, one in enumerate(waiting):
            if time.perf_counter() - begun > 60 * given.minutes:
                pool.shutdown(wait=False, cancel_futures=True)
            if one.cancelled():
                break
            found.append(one.result())
            if sys.stderr.isatty() or number % 50 == 49:
                print(f"{number + 1} kills, {sum(bool(f.wrong) for f in found)} wrong", file=sys.stderr, flush=True)
    lines = [
        f"{len(found)} kills in {time.perf_counter() - begun:.0f} s, seed {given.seed}.",
        "",
        "| command | kills | while it ran | files seen | half or lost | `.part` left | workers left | ended whole |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for job in jobs:
        mine = [one for one in found if one.job == job.name]
        half = sum(any(w.startswith("half") for w in one.wrong) for one in mine)
        resumed = sum(not any(w.startswith("again") for w in one.wrong) for one in mine)
        lines.append(
            f"| {job.name} | {len(mine)} | {sum(one.killed for one in mine)} | {sum(one.visible for one in mine)} "
            f"| {half} | {sum(one.parts for one in mine)} | {sum(one.orphans for one in mine)} | {resumed} |"
        )
    return lines, [f"{one.job}: {line}" for one in found for line in one.wrong]


@dataclass(frozen=True)
class Whole:
    """Of an undisturbed run: seconds, and digests by path, of before and after."""

    seconds: float
    before: dict[str, str]
    after: dict[str, str]


def whole(work: Path, job: Job) -> Whole:
    seconds = []
    after: dict[str, str] = {}
    for number in range(TIMED):
        place = work / f"whole-{job.name}-{number}"
        prepare_place(place, work, job)
        before = seen(place / "out")
        begun = time.perf_counter()
        undisturbed(place, words_of(job, work))
        seconds.append(time.perf_counter() - begun)
        last, after = after, seen(place / "out")
        if last and last != after:
            raise SystemExit(f"{job.name}: two undisturbed runs differ: {set(last.items()) ^ set(after.items())}")
    return Whole(min(seconds), before, after)


def prepare_place(place: Path, work: Path, job: Job) -> None:
    place.mkdir()
    for name in ("raws", "pictures", "weights"):
        if (work / name).exists():
            (place / name).symlink_to(work / name)
    if job.command == "run":
        (place / "out").mkdir()
    if job.before:
        made = place.parent / f"before-{job.name}"
        if not made.exists():
            made.mkdir()
            for name in ("raws", "weights"):
                if (work / name).exists():
                    (made / name).symlink_to(work / name)
            (made / "out").mkdir()
            undisturbed(made, job.before.split())
        shutil.copytree(made / "out", place / "out", dirs_exist_ok=True)


def kill(place: Path, work: Path, job: Job, part: float, expected: Whole) -> Found:
    """One kill, and the same command again."""
    prepare_place(place, work, job)
    out = place / "out"
    process = begin(place, words_of(job, work))
    time.sleep(part * expected.seconds)
    os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    found = Found(job.name, os.WIFSIGNALED(status))
    found.orphans = left_over(process)
    try:
        now = seen(out)
        found.visible = len(now)
        found.parts = sum(1 for path in out.rglob(".*.part")) + sum(1 for path in place.glob(".*.part"))
        for name, digest_ in now.items():
            if digest_ not in (expected.after.get(name), expected.before.get(name), "whole"):
                found.wrong.append(f"half: {name} after {part:.3f} of its time ({digest_[:60]})")
        if job.name == "run, replacing" and set(expected.before) - set(now):
            found.wrong.append("half: what was to be replaced is lost")
        if job.command == "export" and (fault := one_export(out)):
            found.wrong.append(f"half: {fault}")
        words = words_of(job, work) + job.goes_on.split()
        code = finish(place, words)
        said = (place / "said").read_text(errors="replace")
        if code and "without --resume" in said:  # nothing was begun
            code = finish(place, words_of(job, work))
            said = (place / "said").read_text(errors="replace")
        if code or "Traceback" in said:
            found.wrong.append(f"again: {code} after {part:.3f} of its time: {said[-300:]}")
        elif (now := seen(out)) != expected.after:
            differ = sorted({name for name, _ in set(now.items()) ^ set(expected.after.items())})
            found.wrong.append(f"again: other files than of an undisturbed run: {differ}")
    except Exception:
        found.wrong.append(f"again: {traceback.format_exc()[-300:]}")
    if not found.wrong:
        shutil.rmtree(place, ignore_errors=True)
    return found


def left_over(group: int) -> int:
    """Processes of a group whose first one is gone, which do not end by themselves; they are ended here."""
    end = time.monotonic() + ORPHANS_END
    while (there := members(group)) and time.monotonic() < end:
        time.sleep(0.02)
    for process in there:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(there)


def members(group: int) -> list[int]:
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, its = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[:3]
                if int(its) == group and state not in "ZX":
                    found.append(int(entry.name))
    return found


def seen(out: Path) -> dict[str, str]:
    """Digests of the files that can be seen, by path; of a training's, of what does not tell the time."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {
        str(path.relative_to(out)): steady(path) if path.name.endswith(VARYING) else digest(path)
        for path in files
        if not any(part.startswith(".") for part in path.relative_to(out).parts)
    }


def steady(path: Path) -> str:
    """`whole`, for a file that opens, with what has to be equal; else why it does not."""
    import torch

    from invisp_deploy.network.checkpoint import load_checkpoint

    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
            return "whole" if steps == sorted(steps) and path.read_text().endswith("\n") else f"half: {steps}"
        if path.suffix == ".pt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".safetensors":
            checkpoint = load_checkpoint(path)
            last = checkpoint.card["steps"] == STEPS
            return f"whole, of weights {checkpoint.weights}" if last else "whole"
        elif path.suffix == ".md" and not path.read_text().endswith("\n"):
            return "half"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "whole"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def begin(place: Path, words: Sequence[str], said: str = "said") -> int:
    """Fork a process, the first of its group, that is the command."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        os.setsid()
        os.chdir(place)
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(output, 1)
        os.dup2(output, 2)
        from invisp_deploy.cli.main import main as invisp

        try:
            invisp.main(list(words), "invisp")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        if code == 0:
            Path("modules").write_text("\n".join(sys.modules))
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def finish(place: Path, words: Sequence[str], said: str = "said") -> int:
    """The exit code of a command that is let be; -9 where it hung."""
    process = begin(place, words, said)
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return -9


def undisturbed(place: Path, words: Sequence[str]) -> None:
    if finish(place, words):
        raise SystemExit(f"invisp {' '.join(words)}: {(place / 'said').read_text()}")
    import_what_a_run_imported(place)


def writers(work: Path, times: int) -> tuple[list[str], list[str]]:
    """Two processes that write one file, at the same time."""
    wrong: list[str] = []
    counts: Counter[str] = Counter()
    for more in ((), ("--overwrite",)):
        for number in range(times):
            place = work / f"writers{len(more)}{number}"
            prepare_place(place, work, JOBS[0])
            words = [*JOBS[0].words.split(), *more]
            processes = [begin(place, words, f"said{n}") for n in range(2)]
            codes = sorted(os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in processes)
            said = "".join((place / f"said{n}").read_text() for n in range(2))
            right = codes == [0, 0] if more else codes == [0, 2] and "exists already" in said
            if not right or set(seen(place / "out")) != {"a.jpg"} or list((place / "out").glob(".*")):
                wrong.append(f"two writers {more}: {codes} {said}")
            elif number == 0:
                alone = seen(place / "out")
            elif seen(place / "out") != alone:
                wrong.append(f"two writers {more}: half a file")
            counts[" ".join(more)] += right
    return [
        "| two writers of one file | times | as it should be |",
        "|---|---|---|",
        f"| without `--overwrite`: one writes, the other says that it exists, exit code 2 | {times} | {counts['']} |",
        f"| with `--overwrite`: a whole file | {times} | {counts['--overwrite']} |",
    ], wrong


def streams(work: Path) -> tuple[list[str], list[str]]:
    """Standard output on a full disk."""
    wrong = []
    for words in (
        "run raws/gainmap.dng -o full.jpg --json",
        "show raws/gainmap.dng --json",
        "stream raws -o full --json",
    ):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "invisp_deploy", *words.split()],
                cwd=work,
                stdout=full,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                text=True,
                check=False,
            )
        if done.returncode != 1 or "Traceback" in done.stderr or "No space left" not in done.stderr:
            wrong.append(f"{words} > /dev/full: {done.returncode} {done.stderr}")
    return [
        f"Standard output on a full disk (`/dev/full`), 3 commands: {3 - len(wrong)} end with a sentence, exit code 1."
    ], wrong


def full_disks(work: Path, given: argparse.Namespace) -> tuple[list[str], list[str]]:
    """`disks` in a name space of mounts of its own."""
    words = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        return ["Full disks and read-only folders were not tried: the system lets nobody mount here."], []
    done = subprocess.run(
        [*words, sys.executable, __file__, "--disks", str(work), *["--short"] * given.short],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    wrong = [line.removeprefix("WRONG ") for line in lines if line.startswith("WRONG ")]
    if done.returncode and not wrong:
        wrong = [f"the disks ended with {done.returncode}"]
    return [line for line in lines if not line.startswith("WRONG ")], wrong


def disks(work: Path, sizes: int) -> int:
    """Each command on disks that are too small, `sizes` of them, and on one that is
    read-only; then again with room.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    print("| disk | command | tried | too small | sentence, exit code 1 | half or lost | ended as undisturbed |")
    print("|---|---|---|---|---|---|---|")
    bad = False
    for job in JOBS:
        if job.before or not (work / f"whole-{job.name}-0").is_dir():
            continue
        expected = seen(work / f"whole-{job.name}-0" / "out")
        files = [path for path in (work / f"whole-{job.name}-0" / "out").rglob("*") if path.is_file()]
        need = sum(-(-path.stat().st_size // page) for path in files)
        step = max(1, (need - 1) // sizes)
        tried = small = said_so = half = ended = 0
        for pages in range(step, need + step, step):
            wrong = []
            with mounted(work, job, f"size={pages * page}") as place:
                tried += 1
                code = finish(place, words_of(job, work, "disk/out"))
                said = (place / "said").read_text(errors="replace")
                now = seen(place / "disk" / "out")
                if [name for name in now if now[name] not in (expected.get(name), "whole")]:
                    half += 1
                    wrong.append(f"half: {now.keys()}")
                if hidden := list((place / "disk").rglob(".*.part")):
                    half += 1
                    wrong.append(f"half: {hidden}")
                if code:
                    small += 1
                    if code == 1 and "disk is full" in said and "Traceback" not in said:
                        said_so += 1
                    else:
                        wrong.append(f"{code} {said[-300:]}")
                    subprocess.run(["mount", "-o", "remount,size=100m", str(place / "disk")], check=True)
                    code = finish(place, words_of(job, work, "disk/out") + job.goes_on.split())
                    said = (place / "said").read_text(errors="replace")
                    if code and "without --resume" in said:
                        code = finish(place, words_of(job, work, "disk/out"))
                if code or seen(place / "disk" / "out") != expected:
                    wrong.append(f"again: {code} {(place / 'said').read_text()[-300:]}")
                else:
                    ended += 1
            for line in wrong:
                bad = True
                print(f"WRONG {job.name} on {pages} pages of memory: {line}")
        print(f"| full | {job.name} | {tried} | {small} | {said_so} | {half} | {ended} |", flush=True)
        with mounted(work, job, "size=1m") as place:
            if job.command == "run":
                (place / "disk" / "out").mkdir(exist_ok=True)
            subprocess.run(["mount", "-o", "remount,ro", str(place / "disk")], check=True)
            code = finish(place, words_of(job, work, "disk/out"))
            said = (place / "said").read_text(errors="replace")
            right = code == 1 and "Traceback" not in said and "Error: " in said and not seen(place / "disk" / "out")
            if not right:
                bad = True
                print(f"WRONG {job.name} read-only: {code} {said[-300:]}")
            print(
                f"| read-only | {job.name} | 1 | | {int(right)} | {int(bool(seen(place / 'disk' / 'out')))} | |",
                flush=True,
            )
    return int(bad)


def words_of(job: Job, work: Path, out: str = "out") -> list[str]:
    return [
        word.replace("out", out) if word.startswith("out") else word.format(work=work) for word in job.words.split()
    ]


@contextlib.contextmanager
def mounted(work: Path, job: Job, options: str) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(dir=work))
    (place / "disk").mkdir()
    for name in ("raws", "pictures", "weights"):
        if (work / name).exists():
            (place / name).symlink_to(work / name)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place / "disk")], check=True)
    try:
        if job.command == "run":
            (place / "disk" / "out").mkdir()
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place / "disk")], check=True)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
