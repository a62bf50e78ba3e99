"""Engines found again: by all that decides them, and only if they are what their record says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invisp_deploy.engines.cache import CachedPlan, EngineCache, cache_folder, engine_key

FIELDS = {"onnx": "ab", "backend": "tensorrt", "targets": ["sm86"], "options": {"tf32": False, "level": 3}}
ENTRY = CachedPlan(b"a plan", {"seconds": 1.5})


def test_the_folder_is_where_people_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INVISP_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "own" / "engines"
    monkeypatch.delenv("INVISP_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "invisp-deploy" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == tmp_path / ".cache" / "invisp-deploy" / "engines"


def test_a_key_depends_on_every_field_and_not_on_their_order() -> None:
    assert engine_key(FIELDS) == engine_key(dict(reversed(FIELDS.items())))
    others = [{**FIELDS, name: "other"} for name in FIELDS] + [{**FIELDS, "options": {"tf32": True, "level": 3}}]
    assert len({engine_key(fields) for fields in (FIELDS, *others)}) == len(others) + 1


def test_what_was_stored_is_found(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "not" / "yet")
    assert cache.load(engine_key(FIELDS)) is None
    cache.store(engine_key(FIELDS), ENTRY, FIELDS)
    assert EngineCache(cache.folder).load(engine_key(FIELDS)) == ENTRY
    assert cache.notes == []
    (record,) = cache.folder.glob("*.json")
    assert json.loads(record.read_text())["key"] == FIELDS  # a person can see what an entry is


@pytest.mark.parametrize("damage", ["plan", "shorter", "record", "no plan", "other record", "list"])
def test_a_damaged_entry_is_noted_and_not_believed(tmp_path: Path, damage: str) -> None:
    cache = EngineCache(tmp_path)
    key = engine_key(FIELDS)
    cache.store(key, ENTRY, FIELDS)
    record, plan = tmp_path / f"{key}.json", tmp_path / f"{key}.trt"
    if damage == "plan":
        plan.write_bytes(b"A plan")
    elif damage == "shorter":
        plan.write_bytes(b"a pla")
    elif damage == "no plan":
        plan.unlink()
    else:
        record.write_text({"record": "{", "other record": "{}", "list": "[]"}[damage])
    assert cache.load(key) is None
    assert cache.notes == [f"the cached engine {plan} is damaged and is built again"]
    cache.store(key, ENTRY, FIELDS)
    assert cache.load(key) == ENTRY


def test_a_plan_without_its_record_was_never_finished(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    cache.store(engine_key(FIELDS), ENTRY, FIELDS)
    (tmp_path / f"{engine_key(FIELDS)}.json").unlink()
    assert cache.load(engine_key(FIELDS)) is None
    assert cache.notes == []


def test_a_cache_that_cannot_be_written_is_noted_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file" / "engines", Path("/proc/engines")):
        cache = EngineCache(folder)
        cache.store(engine_key(FIELDS), ENTRY, FIELDS)
        assert len(cache.notes) == 1
        assert str(folder) in cache.notes[0]
        assert "cannot be written" in cache.notes[0]
        assert cache.load(engine_key(FIELDS)) is None


def test_timings_are_kept_for_each_gpu(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    one, other = {"gpu": "one", "version": "10.3.0"}, {"gpu": "other", "version": "10.3.0"}
    assert cache.load_timings(one) == b""
    cache.store_timings(one, b"times")
    assert cache.load_timings(one) == b"times"
    assert cache.load_timings(other) == b""
    cache.store_timings(other, b"")
    assert len(list(tmp_path.iterdir())) == 1
