"""Files are whole or not there: exceptions, interrupts, full disks and killed processes."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path, PosixPath

import pytest

from invisp_deploy.errors import OutputError, RequestError
from invisp_deploy.files import check_output, output_folder, sha256_file, whole_file, whole_folder, write_whole

ROOT = Path(__file__).parent.parent
NAMES = ("a.bin", "report.json")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("data", [b"\x00new", "néw"])
def test_written_whole(target: Path, data: bytes | str) -> None:
    write_whole(target, data)
    assert contents(target.parent) == {"out.bin": data if isinstance(data, bytes) else data.encode()}


def test_permissions_are_those_of_an_ordinary_file(target: Path) -> None:
    ordinary = target.with_name("ordinary")
    ordinary.write_bytes(b"")
    write_whole(target, b"new")
    assert target.stat().st_mode == ordinary.stat().st_mode


def test_nothing_is_seen_before_the_block_ends(target: Path) -> None:
    with whole_file(target) as part:
        part.write_bytes(b"new")
        assert target.read_bytes() == b"old"
        assert part.parent == target.parent
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_an_exception_leaves_the_old_file_alone(target: Path, error: type[BaseException]) -> None:
    def write_half() -> None:
        with whole_file(target) as part:
            part.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert contents(target.parent) == {"out.bin": b"old"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_no_new_file(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), whole_file(tmp_path / "new.bin"):
        raise error
    assert contents(tmp_path) == {}


def test_a_full_disk_is_a_sentence(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"disk is full: .*out\.bin"):
        write_whole(target, b"new")
    assert contents(target.parent) == {"out.bin": b"old"}


def test_a_write_that_the_system_cuts_short_leaves_the_old_file_alone(target: Path) -> None:
    code = """
import resource, signal, sys
from pathlib import Path
from invisp_deploy.errors import OutputError
from invisp_deploy.files import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_whole(Path(sys.argv[1]), bytes(1_000_000))
except OutputError as error:
    print(error)
"""
    result = run_python(code, target)
    assert "out.bin could not be written" in result.stdout
    assert contents(target.parent) == {"out.bin": b"old"}


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_the_old_file_alone(target: Path, signum: signal.Signals) -> None:
    code = """
import os, sys
from pathlib import Path
from invisp_deploy.files import whole_file
with whole_file(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    os.kill(os.getpid(), int(sys.argv[2]))
"""
    assert run_python(code, target, int(signum)).returncode != 0
    assert target.read_bytes() == b"old"
    left = [name for name in contents(target.parent) if name != "out.bin"]
    assert all(name.startswith(".out.bin.") and name.endswith(".part") for name in left)
    if signum == signal.SIGINT:  # arrives as KeyboardInterrupt, so the process cleans up
        assert left == []


WRITE = """
import sys
from pathlib import Path
from invisp_deploy.errors import InvispError
from invisp_deploy.files import write_whole, whole_file
try:
    with whole_file(Path(sys.argv[1]), overwrite=False) as part:
        part.write_bytes(sys.argv[2].encode() * 100_000)
        sys.stdin.read()
    print("wrote")
except InvispError as error:
    print(error)
"""


def test_of_two_processes_that_write_one_file_one_wins_and_the_other_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.bin"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(out), letter],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for letter in "ab"
    ]  # fmt: skip
    while len([path for path in tmp_path.iterdir() if path.stat().st_size]) < 2:  # both are under way
        assert all(one.poll() is None for one in writers)
    said = [one.communicate("", timeout=60)[0].strip() for one in writers]
    first = said.index("wrote")
    assert "exists already" in said[1 - first]
    assert contents(tmp_path) == {"out.bin": b"ab"[first : first + 1] * 100_000}


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_links_keeps_what_is_there_as_well(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_links)
    out = tmp_path / "out.bin"
    with whole_file(out, overwrite=False) as part:
        part.write_bytes(b"first")
    with pytest.raises(RequestError, match="exists already"), whole_file(out, overwrite=False) as part:
        part.write_bytes(b"second")
    assert contents(tmp_path) == {"out.bin": b"first"}


@pytest.mark.parametrize("mode", [0o600, 0o444, 0o640])
def test_what_is_replaced_keeps_its_permissions(target: Path, mode: int) -> None:
    target.chmod(mode)
    with whole_file(target) as part:
        assert part.stat().st_mode & 0o077 == 0, "nobody reads what only its owner may read"
        part.write_bytes(b"new")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", mode)


@pytest.mark.parametrize("mask", [0o077, 0o022])
def test_the_umask_is_followed_and_never_changed(tmp_path: Path, mask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(mask)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", None)  # whoever calls it fails
            write_whole(tmp_path / "out.bin", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "out.bin").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "real.bin").write_bytes(b"old")
    for name, goal in (("link", "disk/real.bin"), ("dangling", "disk/new.bin")):
        (tmp_path / name).symlink_to(goal)
        with whole_file(tmp_path / name) as part:
            part.write_bytes(b"new")
            assert part.parent == (tmp_path / "disk").resolve(), "on the disk where it will lie"
        assert os.readlink(tmp_path / name) == goal
    assert contents(tmp_path / "disk") == {"real.bin": b"new", "new.bin": b"new"}


def test_a_link_to_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(RequestError, match="exists already"):
        check_output(tmp_path / "link", overwrite=False)
    with pytest.raises(RequestError, match="exists already"), whole_file(tmp_path / "link", overwrite=False):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "short"])
def test_a_name_that_the_disk_takes_can_be_written(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, b"new")
    assert contents(tmp_path) == {name: b"new"}


def test_a_name_that_is_not_utf_8_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"b\xff" * 80)
    write_whole(path, b"new")
    assert os.listdir(os.fsencode(tmp_path)) == [b"b\xff" * 80]


def test_a_name_that_the_disk_does_not_take_is_a_sentence_of_that_file(tmp_path: Path) -> None:
    for act in (
        lambda path: check_output(path, overwrite=True),
        lambda path: write_whole(path, b"new"),
    ):
        with pytest.raises(RequestError, match="takes no file of the name .*File name too long"):
            act(tmp_path / ("n" * 300))


def test_an_error_without_a_code_is_told_as_what_the_disk_says(target: Path) -> None:
    """NumPy says of a full disk how many bytes it wrote, and no more."""
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from invisp_deploy.errors import OutputError
from invisp_deploy.files import whole_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with whole_file(Path(sys.argv[1])) as part, part.open("wb") as stream:
        np.zeros(1_000_000, np.uint8).tofile(stream)
except OutputError as error:
    print(error)
"""
    result = run_python(code, target)
    assert "out.bin could not be written: File too large" in result.stdout, result.stderr
    assert contents(target.parent) == {"out.bin": b"old"}


def test_a_pipe_is_no_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="pipe or a device"):
        check_output(tmp_path / "pipe", overwrite=True)


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"out\.bin could not be written: No such file"):
        write_whole(tmp_path / "gone" / "out.bin", b"new")


def test_a_folder_that_disappears_meanwhile_is_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def write_and_lose() -> None:
        with whole_file(folder / "out.bin") as part:
            part.unlink()
            folder.rmdir()

    with pytest.raises(OutputError, match="could not be written"):
        write_and_lose()
    assert contents(tmp_path) == {}


def test_outputs_are_refused_before_the_work(tmp_path: Path, target: Path) -> None:
    with pytest.raises(RequestError, match="is a folder"):
        check_output(tmp_path, overwrite=True)
    with pytest.raises(RequestError, match="does not exist"):
        check_output(tmp_path / "gone" / "out.bin", overwrite=True)
    with pytest.raises(RequestError, match="exists already"):
        check_output(target, overwrite=False)
    check_output(target, overwrite=True)
    check_output(tmp_path / "new.bin", overwrite=False)


def test_a_folder_without_write_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a test run as root may write everywhere
    with pytest.raises(OutputError, match="not writable"):
        check_output(tmp_path / "new.bin", overwrite=False)


def test_digest_equals_hashlib(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000  # more than one block of reading
    (tmp_path / "data").write_bytes(data)
    assert sha256_file(tmp_path / "data") == hashlib.sha256(data).hexdigest()


def test_an_output_folder_is_made_and_stays(tmp_path: Path) -> None:
    for _ in range(2):  # one that is there serves as well
        with output_folder(tmp_path / "out"):
            assert (tmp_path / "out").is_dir()
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_block_leaves_no_empty_folder_and_takes_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    (tmp_path / "mine").mkdir()
    for name, write in (("new", False), ("full", True), ("mine", False)):
        with pytest.raises(error), output_folder(tmp_path / name):
            if write:
                (tmp_path / name / "a").write_text("kept")
            raise error
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["full", "full/a", "mine"]


def test_output_folders_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder, kind, words in (
        (tmp_path / "file", RequestError, "file is a file"),
        (tmp_path / "no" / "out", RequestError, "no does not exist"),
        (Path("/proc/invisp"), OutputError, "/proc/invisp could not be written"),
    ):
        with pytest.raises(kind, match=words), output_folder(folder):
            raise AssertionError("the block ran")


def fill(part: Path, text: str) -> None:
    for name in NAMES:
        (part / name).write_text(text)


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_folder(out, NAMES, overwrite=False) as part:
        fill(part, "new")
        assert not out.exists()
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_existing_folder_keeps_its_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    fill(tmp_path, "old")
    with (
        pytest.raises(RequestError, match=r"a\.bin exists already.*`overwrite`"),
        whole_folder(tmp_path, NAMES, overwrite=False),
    ):
        pass
    with whole_folder(tmp_path, NAMES, overwrite=True) as part:
        fill(part, "new")
        assert (tmp_path / "a.bin").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a.bin": "new", "report.json": "new", "notes.txt": "mine"
    }  # fmt: skip


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("there", [True, False])
def test_a_failure_leaves_all_as_it_was(tmp_path: Path, error: type[BaseException], there: bool) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
        fill(out, "old")

    def fail() -> None:
        with whole_folder(out, NAMES, overwrite=True) as part:
            fill(part, "new")
            raise error

    with pytest.raises(error):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if there else [])
    if there:
        assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(NAMES, "old")


def test_a_file_missing_from_the_end_of_a_block_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"), whole_folder(tmp_path, NAMES, overwrite=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder, message in ((tmp_path / "file", "is a file"), (tmp_path / "no" / "where", "does not exist")):
        with pytest.raises(RequestError, match=message), whole_folder(folder, NAMES, overwrite=True):
            pass
    # nobody may make a folder there, whoever runs the tests
    with (
        pytest.raises(OutputError, match="could not be written"),
        whole_folder(Path("/proc/invisp"), NAMES, overwrite=True),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_another_process_makes_meanwhile_is_no_file(tmp_path: Path) -> None:
    class Contested(PosixPath):
        """Made by somebody else as soon as one has looked whether it is there."""

        def is_dir(self) -> bool:
            there = super().is_dir()
            os.makedirs(self, exist_ok=True)
            return there

    with output_folder(Contested(tmp_path / "run")):
        (tmp_path / "run" / "weights").write_text("whole")
    assert (tmp_path / "run" / "weights").is_file()
