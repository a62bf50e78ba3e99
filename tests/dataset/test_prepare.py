"""RAW files to a dataset: the same bytes by any number of processes, after any kill, and refusals one by one."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
from PIL import Image

from invisp_deploy.dataset import prepare as module
from invisp_deploy.dataset import write as writing
from invisp_deploy.dataset.open import Dataset, open_dataset
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import Refused, prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.errors import DatasetError, OutputError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.tolerances import TOLERANCES
from invisp_deploy.training.many_cameras import ManyCameras
from invisp_deploy.training.one_camera import OneCamera
from invisp_deploy.training.synthesis import make_dngs

ROOT = Path(__file__).parent.parent.parent


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset, hidden ones included."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interrupting_after(count: int) -> Callable[[Path], None]:
    seen: list[Path] = []

    def on_file(path: Path) -> None:
        seen.append(path)
        if len(seen) == count:
            raise KeyboardInterrupt

    return on_file


def interrupted(raws: Path, folder: Path, count: int = 3, options: PrepareOptions | None = None) -> Path:
    """A dataset that was interrupted after some files."""
    with pytest.raises(KeyboardInterrupt):
        prepare(sources_in([raws]), folder, options or PrepareOptions(), on_file=interrupting_after(count))
    return folder


def test_the_folder_holds_what_the_page_says(dataset: Dataset) -> None:
    names = {f"{folder}/{name}.{end}" for folder, end in FOLDERS for name in "abcdef"}
    assert set(contents(dataset.root)) == {"dataset.json"} | names
    data = json.loads((dataset.root / "dataset.json").read_text())
    assert set(data) == {"format", "version", "options", "files", "refused"}
    assert data["refused"] == []
    assert {entry["frame"]["model"] for entry in data["files"]} == {"Canon EOS 30D"}
    assert data["options"] == PrepareOptions().to_dict()
    assert [entry["name"] for entry in data["files"]] == list("abcdef")
    assert sorted(entry["split"] for entry in data["files"]) == ["test"] + 5 * ["train"]
    assert (dataset.root / "dataset.json").stat().st_mode & 0o777 == 0o666 & ~module_umask()


FOLDERS = (("mosaics", "npy"), ("targets", "jpg"), ("facts", "json"))


def module_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_two_processes_write_what_one_writes(dataset: Dataset, raws: Path, tmp_path: Path) -> None:
    told: list[Path] = []
    prepare(sources_in([raws]), tmp_path / "data", PrepareOptions(), jobs=2, on_file=told.append)
    assert contents(tmp_path / "data") == contents(dataset.root)
    assert sorted(told) == sorted(raws.iterdir())


def test_options_reach_the_pictures_and_the_split(raws: Path, tmp_path: Path) -> None:
    options = PrepareOptions(quality=60, subsampling="4:4:4", test_names=("c", "e.dng"))
    dataset, _ = prepare(sources_in([raws]), tmp_path / "data", options)
    assert (dataset.quality, dataset.subsampling) == (60, "4:4:4")
    assert [shot.name for shot in dataset.test] == ["c", "e"]
    assert [shot.name for shot in dataset.train] == ["a", "b", "d", "f"]
    from PIL import Image, JpegImagePlugin

    with Image.open(dataset.train[0].target_path) as image:
        assert JpegImagePlugin.get_sampling(image) == 0
        assert image.quantization[0][0] == 13  # 16 at quality 50, (16 * 80 + 50) // 100 at 60


def test_a_made_file_says_so_itself(sample_frame: RawFrame, raws: Path, tmp_path: Path) -> None:
    """Also where it is held out by a list, so that no table calls it a file of the camera."""
    Image.fromarray(np.full((80, 96, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    folder = shutil.copytree(raws, tmp_path / "raws")
    make_dngs([tmp_path / "photo.png"], OneCamera.of(sample_frame), folder)
    options = PrepareOptions(test_names=("photo-0",))
    for resume in (False, True):
        dataset, _ = prepare(sources_in([folder]), tmp_path / "data", options, resume=resume)
        assert [(shot.name, shot.made) for shot in dataset.test] == [("photo-0", True)]
        assert not any(shot.made for shot in dataset.train)


def test_made_files_are_only_trained_on(write_raws: Callable[..., Path], raws: Path, tmp_path: Path) -> None:
    made = write_raws(tmp_path / "made", *(f"m{number}" for number in range(6)))
    dataset, _ = prepare(sources_in([raws], [made]), tmp_path / "data", PrepareOptions(test_share=0.5))
    assert [shot.made for shot in dataset.test] == 3 * [False]  # half of the camera's own
    assert sorted(shot.name for shot in dataset.train if shot.made) == [f"m{number}" for number in range(6)]
    with pytest.raises(RequestError, match="the first is 'm0'"):
        prepare(sources_in([raws], [made]), tmp_path / "other", PrepareOptions(test_names=("m0",)))
    assert not (tmp_path / "other").exists()


def test_an_interrupted_dataset_is_unfinished_and_resumes_to_the_same(
    dataset: Dataset, raws: Path, tmp_path: Path
) -> None:
    folder = interrupted(raws, tmp_path / "data")
    with pytest.raises(DatasetError, match="was not finished"):
        open_dataset(folder)
    before = {path: path.stat().st_mtime_ns for path in (folder / "mosaics").iterdir()}
    assert len(before) == 3
    for left in (folder / ".dataset.json.x.part", folder / "targets" / ".d.jpg.x.part"):
        left.write_text("half")
    prepare(sources_in([raws]), folder, PrepareOptions(), resume=True)
    assert contents(folder) == contents(dataset.root)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


@pytest.mark.parametrize("ending", ["facts/b.json", "targets/b.jpg", "mosaics/b.npy"])
def test_a_shot_that_is_not_complete_is_made_again(ending: str, dataset: Dataset, raws: Path, tmp_path: Path) -> None:
    folder = interrupted(raws, tmp_path / "data")
    path = folder / ending
    for damage in (path.unlink, lambda: path.write_bytes(path.read_bytes()[:-9])):
        damage()
        prepare(sources_in([raws]), folder, PrepareOptions(), resume=True)
        assert contents(folder) == contents(dataset.root)


KILLED = """
import sys
from pathlib import Path
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in

if __name__ == "__main__":
    def on_file(path):
        print(path.name, flush=True)
    prepare(sources_in([Path(sys.argv[1])]), Path(sys.argv[2]), PrepareOptions(), jobs=2, on_file=on_file)
"""


def test_a_killed_run_leaves_no_workers_and_resumes_to_the_same(
    write_raws: Callable[..., Path], tmp_path: Path
) -> None:
    raws = write_raws(tmp_path / "raws", *(f"r{number:02}" for number in range(30)))
    folder, script = tmp_path / "data", tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(raws), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # one file is complete, others are being written
        process.kill()
        assert process.wait() == -signal.SIGKILL
        process.communicate(timeout=60)  # ends when the last process that holds the pipe has ended
    assert 1 <= len(list((folder / "facts").glob("*.json"))) < 30
    with pytest.raises(DatasetError, match="was not finished"):
        open_dataset(folder)
    prepare(sources_in([raws]), folder, PrepareOptions(), resume=True)
    prepare(sources_in([raws]), tmp_path / "whole", PrepareOptions())
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_files_are_refused_one_by_one(jobs: int, raws: Path, tmp_path: Path) -> None:
    mixed = Path(shutil.copytree(raws, tmp_path / "mixed"))
    (mixed / "c.dng").write_bytes((raws / "c.dng").read_bytes()[:-20000])
    (mixed / "text.CR2").write_text("no RAW file " * 200)
    (mixed / "void.NEF").write_bytes(b"")
    told: list[Refused] = []
    dataset, refused = prepare(
        sources_in([mixed]), tmp_path / "data", PrepareOptions(), jobs=jobs, on_refused=told.append
    )
    assert [one.path for one in refused] == [str(mixed / name) for name in ("c.dng", "text.CR2", "void.NEF")]
    assert all(one.path in one.reason for one in refused)
    assert sorted(told, key=lambda one: one.path) == refused
    assert [shot.name for shot in sorted(dataset.train + dataset.test, key=lambda shot: shot.name)] == list("abdef")
    listed = json.loads((dataset.root / "dataset.json").read_text())["refused"]
    assert listed == [vars(one) for one in refused]


def test_refused_files_are_tried_again_and_new_ones_added(dataset: Dataset, raws: Path, tmp_path: Path) -> None:
    growing = tmp_path / "growing"
    growing.mkdir()
    for name in "abcd":
        shutil.copy(raws / f"{name}.dng", growing)
    (growing / "c.dng").write_bytes(b"damaged on its way")
    folder = tmp_path / "data"
    _, refused = prepare(sources_in([growing]), folder, PrepareOptions())
    assert len(refused) == 1
    for name in "cef":
        shutil.copy(raws / f"{name}.dng", growing)
    grown, refused = prepare(sources_in([growing]), folder, PrepareOptions(), resume=True)
    assert not refused
    assert [shot.name for shot in grown.test] == [shot.name for shot in dataset.test]
    for shot in grown.train:
        (twin,) = (one for one in dataset.train if one.name == shot.name)
        np.testing.assert_array_equal(shot.target(), twin.target())


def test_a_source_that_became_bad_leaves_the_dataset(raws: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(raws, tmp_path / "raws"))
    folder = tmp_path / "data"
    prepare(sources_in([copied]), folder, PrepareOptions())
    (copied / "b.dng").write_bytes(b"damaged since")
    dataset, refused = prepare(sources_in([copied]), folder, PrepareOptions(), resume=True)
    assert [one.path for one in refused] == [str(copied / "b.dng")]
    assert "b" not in [shot.name for shot in dataset.train + dataset.test]
    assert not (folder / "facts" / "b.json").exists()


def test_nothing_but_bad_files_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.CR2").write_text("no RAW file " * 200)
    with pytest.raises(DatasetError, match=r"None of the 1 files could be used: .*text\.CR2 is not a RAW file"):
        prepare(sources_in([tmp_path]), tmp_path / "data", PrepareOptions())
    assert not (tmp_path / "data").exists()  # nothing half-made stays


def test_files_of_several_cameras_keep_their_own_facts(write_raws: Callable[..., Path], tmp_path: Path) -> None:
    raws = write_raws(tmp_path / "raws", "a", "b")
    write_raws(raws, "c", model="Canon EOS 5D")
    Image.fromarray(np.full((80, 96, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    (tmp_path / "made").mkdir()
    written = make_dngs([tmp_path / "photo.png"], ManyCameras(), tmp_path / "made", per_photo=4)
    dataset, refused = prepare(sources_in([raws], [tmp_path / "made"]), tmp_path / "data", PrepareOptions())
    assert refused == []
    assert dataset.camera == "6 cameras"
    found = {Path(shot.source).name: shot.frame for shot in dataset.train + dataset.test}
    assert {found[name].camera for name in ("a.dng", "b.dng")} == {"Canon EOS 30D"}
    assert found["c.dng"].camera == "Canon EOS 5D"
    for path in written:
        assert found[path.name].facts == read_raw(path).facts


def test_an_output_that_exists_and_a_resume_of_nothing_are_refused(
    dataset: Dataset, raws: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(RequestError, match="exists already: pass `resume`"):
        prepare(sources_in([raws]), tmp_path, PrepareOptions())
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(RequestError, match="no dataset to resume"):
            prepare(sources_in([raws]), folder, PrepareOptions(), resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"quality": 80}, "quality 90, now 80"),
        ({"subsampling": "4:2:0"}, "subsampling 4:2:2, now 4:2:0"),
        ({"seed": 1}, "seed 0, now 1"),
        ({"test_names": ("a",)}, r"test_names None, now \('a',\)"),
        ({"target": "beside"}, "target libraw, now beside"),
    ],
)
def test_other_options_do_not_resume(changed: dict[str, Any], words: str, raws: Path, tmp_path: Path) -> None:
    folder = interrupted(raws, tmp_path / "data", 1)
    before = contents(folder)
    with pytest.raises(RequestError, match=f"was begun with {words}: pass the same options"):
        prepare(sources_in([raws]), folder, PrepareOptions(**changed), resume=True)
    assert contents(folder) == before


def test_fewer_files_do_not_resume(raws: Path, tmp_path: Path) -> None:
    folder = interrupted(raws, tmp_path / "data", 2)
    with pytest.raises(RequestError, match="has 2 files that are not named now, the first is a"):
        prepare(sources_in([raws / "c.dng"]), folder, PrepareOptions(), resume=True)


def test_a_damaged_state_is_a_sentence(raws: Path, tmp_path: Path) -> None:
    folder = interrupted(raws, tmp_path / "data", 1)
    (folder / "preparing.json").write_text("{")
    with pytest.raises(DatasetError, match=r"preparing\.json is damaged"):
        prepare(sources_in([raws]), folder, PrepareOptions(), resume=True)


def test_a_full_disk_stops_and_what_is_complete_stays(
    raws: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name.startswith(".c.npy"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match=r"The disk is full: .*c\.npy was not written"):
            prepare(sources_in([raws]), tmp_path / "data", PrepareOptions())
    assert sorted(path.name for path in (tmp_path / "data" / "mosaics").iterdir()) == ["a.npy", "b.npy"]
    prepare(sources_in([raws]), tmp_path / "data", PrepareOptions(), resume=True)
    assert contents(tmp_path / "data") == contents(dataset.root)


def dies(task: object) -> str:
    os._exit(9)


def test_a_worker_that_dies_is_a_sentence(raws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "write_shot", dies)
    with pytest.raises(DatasetError, match="worker process died.* `resume` and fewer `jobs`"):
        prepare(sources_in([raws]), tmp_path / "data", PrepareOptions(), jobs=2)


def test_a_link_is_a_file_of_its_own_name(raws: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    for name in "ab":
        (tmp_path / "links" / f"link-{name}.dng").symlink_to(raws / f"{name}.dng")
    dataset, refused = prepare(sources_in([tmp_path / "links"]), tmp_path / "data", PrepareOptions())
    assert refused == []
    assert sorted(shot.name for shot in dataset.train + dataset.test) == ["link-a", "link-b"]


@pytest.mark.parametrize("error", [TypeError("a fault of ours"), MemoryError(), RecursionError("too deep")])
def test_an_exception_of_any_kind_is_that_file_s_refusal(
    error: Exception, raws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> RawFrame:
        if path.stem == "b":
            raise error
        return read_raw(path)

    monkeypatch.setattr(writing, "read_raw", read)
    dataset, refused = prepare(sources_in([raws]), tmp_path / "data", PrepareOptions())
    assert [Path(one.path).stem for one in refused] == ["b"]
    assert refused[0].reason.startswith(f"{refused[0].path}: ")
    assert len(dataset.train + dataset.test) == len(list(raws.iterdir())) - 1


def test_a_name_that_is_not_utf_8_is_prepared_by_a_worker(raws: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"odd\xff.dng")
    shutil.copy(raws / "a.dng", odd)
    dataset, refused = prepare(sources_in([odd, raws / "b.dng"]), tmp_path / "data", PrepareOptions(), jobs=2)
    assert refused == []
    assert {shot.facts.name for shot in dataset.train + dataset.test} == {odd.stem, "b"}


def test_a_hidden_file_of_a_process_that_was_killed_early_is_no_dataset(raws: Path, tmp_path: Path) -> None:
    """Else nothing would go on there: without `resume` a dataset would be said to exist, with it none."""
    (tmp_path / ".preparing.json.0123abcd.part").write_text("{")
    prepare(sources_in([raws]), tmp_path, PrepareOptions())
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".")] == []


@pytest.fixture(scope="session")
def paired(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two RAW files, and beside each what a camera made of it: mirrored, 6 rows and 9 columns cut off, other tones.

    Must not be written to.
    """
    folder = tmp_path_factory.mktemp("paired")
    for name, turn in (("a", 1), ("b", -1)):
        frame = replace(small_frame, mosaic=np.ascontiguousarray(small_frame.mosaic[::turn]))
        if turn < 0:
            frame = replace(frame, cfa="GBRG")
        write_dng(folder / f"{name}.dng", frame)
        camera = camera_picture(folder / f"{name}.dng")
        Image.fromarray(camera).save(folder / f"{name}.JPG", quality=92)
    return folder


def camera_picture(path: Path) -> Rgb8:
    shown = render_libraw(path)[6:-2, 9:-3] / 255
    return np.ascontiguousarray((255 * np.clip(1.2 * shown**0.6 - 0.1, 0, 1)).round().astype(np.uint8)[:, ::-1])


def test_pictures_of_the_camera_are_registered_and_the_mosaic_is_cut_to_them(paired: Path, tmp_path: Path) -> None:
    dataset, refused = prepare(sources_in([paired]), tmp_path / "data", PrepareOptions(target="beside"))
    assert refused == []
    for shot in (*dataset.train, *dataset.test):
        found = shot.facts.registration
        assert found is not None
        assert found.orientation == 2
        np.testing.assert_allclose(found.rows, (-6, 1), atol=0.1)
        np.testing.assert_allclose(found.columns, (-9, 1), atol=0.1)
        assert shot.facts.picture_bytes == Path(shot.source).with_suffix(".JPG").stat().st_size
        assert (shot.facts.top, shot.facts.left) == (8, 12)  # two more are interpolated from, and the phase is kept
        frame = read_raw(Path(shot.source))
        height, width = shot.frame.mosaic.shape
        assert 242 <= height <= 244
        assert 238 <= width <= 240
        np.testing.assert_array_equal(shot.frame.mosaic, frame.mosaic[8 : 8 + height, 12 : 12 + width])
        assert shot.frame.cfa == frame.cfa
        wanted = camera_picture(Path(shot.source))[2 : 2 + height, ::-1][:, 3 : 3 + width]
        error = (shot.target().astype(float) - wanted) / 255
        assert 10 * np.log10(1 / (error**2).mean()) > TOLERANCES["registered-psnr"].limit


def test_each_registration_has_a_sheet_refused_ones_too(paired: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(paired, tmp_path / "paired"))
    for name in "cd":
        shutil.copy(paired / "a.dng", folder / f"{name}.dng")
    noise = np.random.default_rng(0).integers(0, 256, (250, 240, 3), np.uint8)
    Image.fromarray(noise).save(folder / "c.jpg")
    options = PrepareOptions(target="beside")
    prepare(sources_in([folder]), tmp_path / "data", options)
    before = contents(tmp_path / "data" / "sheets")
    assert set(before) == {"a.jpg", "b.jpg", "c.jpg"}  # d has nothing to be compared with
    with Image.open(tmp_path / "data" / "sheets" / "a.jpg") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    green = (pixels[..., 1] - pixels[..., 0] > 60) & (pixels[..., 1] - pixels[..., 2] > 40)
    assert green.any()
    prepare(sources_in([folder]), tmp_path / "data", options, resume=True)
    assert contents(tmp_path / "data" / "sheets") == before
    with pytest.raises(DatasetError, match="None of the 1 files"):
        prepare(sources_in([folder / "c.dng"]), tmp_path / "other", options)
    assert not (tmp_path / "other").exists()


def test_pairs_that_are_none_are_refused_one_by_one(paired: Path, tmp_path: Path) -> None:
    """A missing partner, another frame's picture, and a small one; with the partner there it is taken up again."""
    folder = Path(shutil.copytree(paired, tmp_path / "paired"))
    for name in "cde":
        shutil.copy(paired / "a.dng", folder / f"{name}.dng")
    noise = np.random.default_rng(0).integers(0, 256, (250, 240, 3), np.uint8)
    Image.fromarray(noise).save(folder / "d.jpg")
    Image.fromarray(camera_picture(folder / "a.dng")).resize((80, 80)).save(folder / "e.jpg")
    options = PrepareOptions(target="beside")
    dataset, refused = prepare(sources_in([folder]), tmp_path / "data", options)
    assert [shot.name for shot in sorted(dataset.train + dataset.test, key=lambda shot: shot.name)] == ["a", "b"]
    reasons = {Path(one.path).stem: one.reason for one in refused}
    assert set(reasons) == {"c", "d", "e"}
    assert "no picture of its name" in reasons["c"]
    assert reasons["d"].startswith(f"{folder / 'd.dng'}: the picture ")
    assert "80x80, expected 320 pixels along a side at least" in reasons["e"]
    shutil.copy(paired / "a.JPG", folder / "c.jpg")
    _, refused = prepare(sources_in([folder]), tmp_path / "data", options, resume=True)
    assert {Path(one.path).stem for one in refused} == {"d", "e"}


def test_of_a_small_picture_the_colours_and_tones_are_taken(sample_raw: Path, tmp_path: Path) -> None:
    """The sample's own preview: 1728x1152 of 3522x2348 pixels."""
    raw = tmp_path / "a.CR2"
    raw.symlink_to(sample_raw)
    options = PrepareOptions(target="preview", test_share=0, quality=95, subsampling="4:4:4")
    dataset, refused = prepare(sources_in([raw]), tmp_path / "data", options)
    assert refused == []
    (shot,) = dataset.train
    assert shot.facts.coarser == 3
    assert shot.facts.registration is not None
    assert shot.facts.registration.places >= 40
    rows, columns = (
        slice(first, first + side)
        for first, side in ((shot.facts.top, shot.facts.height), (shot.facts.left, shot.facts.width))
    )
    np.testing.assert_array_equal(shot.frame.mosaic, read_raw(sample_raw).mosaic[rows, columns])
    rendering, target = render_libraw(sample_raw)[rows, columns], shot.target()
    with Image.open(io.BytesIO(preview_of(sample_raw))) as image:
        preview = np.asarray(image.convert("RGB")).mean((0, 1))
    np.testing.assert_allclose(target.mean((0, 1)), preview, atol=4)
    assert np.abs(rendering.mean((0, 1)) - preview).max() > 8
    fine = [np.diff(pixels[..., 1].astype(float), axis=1).ravel() for pixels in (rendering, target)]
    assert np.corrcoef(*fine)[0, 1] > 0.8


def preview_of(raw: Path) -> bytes:
    with rawpy.imread(str(raw)) as opened:
        return bytes(opened.extract_thumb().data)


def test_a_file_with_other_tones_than_the_rest_is_left_out_or_kept(sample_frame: RawFrame, tmp_path: Path) -> None:
    """Of six pictures one has its shadows lifted; it stays where any tones may, and its shot waits."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for index, name in enumerate("abcdef"):
        part = sample_frame.mosaic[1792 + 2 * index : 2048 + 2 * index, 2048:2304]  # greyish
        write_dng(folder / f"{name}.dng", replace(sample_frame, mosaic=np.ascontiguousarray(part)))
        shown = render_libraw(folder / f"{name}.dng") / 255
        lifted = 0.25 * (1 - shown) if name == "c" else 0
        Image.fromarray((255 * (0.9 * shown**0.8 + lifted).clip(0, 1)).astype(np.uint8)).save(folder / f"{name}.png")
    options = PrepareOptions(target=str(folder))
    told: list[Refused] = []
    dataset, refused = prepare(
        sources_in(list(folder.glob("*.dng"))), tmp_path / "data", options, on_refused=told.append
    )
    assert sorted(shot.name for shot in dataset.train + dataset.test) == list("abdef")
    assert refused == told
    (one,) = refused
    assert one.path == str(folder / "c.dng")
    assert one.reason.startswith(f"{folder / 'c.dng'}: its tones differ from the other files' by ")
    assert "brighter" in one.reason
    made = (tmp_path / "data" / "targets" / "c.jpg").stat().st_mtime_ns
    kept, refused = prepare(
        sources_in(list(folder.glob("*.dng"))), tmp_path / "data", replace(options, any_tones=True), resume=True
    )
    assert refused == []
    assert sorted(shot.name for shot in kept.train + kept.test) == list("abcdef")
    assert (tmp_path / "data" / "targets" / "c.jpg").stat().st_mtime_ns == made


def test_a_picture_that_changed_is_registered_again(paired: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(paired, tmp_path / "paired"))
    options = PrepareOptions(target="beside")
    prepare(sources_in([folder]), tmp_path / "data", options)
    before = contents(tmp_path / "data")
    prepare(sources_in([folder]), tmp_path / "data", options, resume=True)
    assert contents(tmp_path / "data") == before
    Image.fromarray(camera_picture(folder / "a.dng")[:, ::-1]).save(folder / "a.JPG", quality=80)
    again, _ = prepare(sources_in([folder]), tmp_path / "data", options, resume=True)
    found = {shot.name: shot.facts.registration for shot in again.train + again.test}
    assert [one.orientation for _, one in sorted(found.items()) if one is not None] == [1, 2]


def test_a_command_that_fails_on_some_files_ends_nothing(paired: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import pathlib, shutil, sys\nraw, out = map(pathlib.Path, sys.argv[1:])\n"
        "sys.exit('no profile') if raw.stem == 'a' else shutil.copy(raw.with_suffix('.JPG'), out)\n"
    )
    options = PrepareOptions(render=f"{sys.executable} {program} {{raw}} {{out}}")
    dataset, refused = prepare(sources_in([paired]), tmp_path / "data", options, jobs=2)
    assert [shot.name for shot in dataset.train] == ["b"]
    (one,) = refused
    assert one.reason.endswith("ended with 1 and said: no profile")
