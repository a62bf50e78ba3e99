import json
import zlib
from dataclasses import replace

import pytest

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.record import MAX_BYTES, Record
from invisp_deploy.isp.alignment import Alignment
from invisp_deploy.isp.frame import FrameFacts
from invisp_deploy.isp.recipe import Recipe

RECORD = Record(
    weights="0123456789abcdef" * 4,
    precision="fp32",
    facts=FrameFacts(
        "RGGB",
        (127.0, 128.0, 128.0, 128.0),
        4095,
        (2009.0, 1024.0, 1713.0),
        6,
        ((0.6257, -0.0303, -0.1), (-0.788, 1.5621, 0.2396), (-0.1714, 0.1904, 0.7046)),
        "Canon",
        "Canon EOS 30D",
    ),
    recipe=Recipe("RGGB", (127.0, 128.0, 128.0, 128.0), 3398.0, (1.96, 1.0, 1.67), 2.2),
    alignment=Alignment(1, 0, 0, 1),
    height=2348,
    width=3522,
    quality=90,
    subsampling="4:2:2",
    digest="0123456789abcdef" * 4,
)


def test_comes_back_as_it_was() -> None:
    assert Record.from_bytes(RECORD.to_bytes(), "a.jpg") == RECORD
    bare = replace(RECORD, facts=replace(RECORD.facts, color_matrix=None, gains=None))
    assert Record.from_bytes(bare.to_bytes(), "a.jpg") == bare


def written(**changes: object) -> bytes:
    """RECORD as another writer would have put it down: `part_field=value`; ... leaves the field out."""
    fields = json.loads(zlib.decompress(RECORD.to_bytes()))
    for place, value in changes.items():
        part, _, name = place.partition("_")
        held = fields[part] if name and part in fields else fields
        if value is ...:
            del held[name or part]
        else:
            held[name or part] = value
    return zlib.compress(json.dumps(fields).encode())


NONSENSE = {
    "white below black": {"facts_white": 5},
    "recipe white below black": {"recipe_white": 5},
    "no gain": {"recipe_gains": [0, 0, 0]},
    "tiny gains": {"recipe_gains": [1e-300] * 3},
    "negative curve": {"recipe_curve": -1},
    "white is not a number": {"recipe_white": float("nan")},
    "white is text": {"recipe_white": "4095"},
    "three blacks": {"facts_black": [1, 2, 3]},
    "black is text": {"facts_black": ["a"] * 4},
    "a number for a make": {"facts_make": 5},
    "half a character": {"facts_model": "\ud800"},
    "unknown pattern": {"facts_cfa": "RGBE"},
    "orientation 9": {"facts_orientation": 9},
    "flat matrix": {"facts_color_matrix": [1, 2, 3]},
    "negative alignment": {"alignment_top": -3},
    "alignment beyond the picture": {"height": 1},
    "text as height": {"height": "2348"},
    "no width": {"width": ...},
    "unknown field": {"further": 1},
    "quality 300": {"quality": 300},
    "weights are a number": {"weights": 7},
    "white beyond every float": {"recipe_white": 10**400},
    "gain beyond every float": {"facts_gains": [10**400, 1, 1]},
    "matrix that loses a colour": {"recipe_matrix": [[1, 0, 0], [0, 1, 0], [1, 1, 0]]},
    "digest of letters": {"digest": "z" * 64},
    "digest is a number": {"digest": 5},
    "no digest, as before": {"digest": ...},
}


@pytest.mark.parametrize("case", NONSENSE)
def test_numbers_that_no_frame_has_are_damage(case: str) -> None:
    with pytest.raises(ImageFileError, match=r"a\.jpg carries is damaged"):
        Record.from_bytes(written(**NONSENSE[case]), "a.jpg")


def test_what_others_wrote_the_same_way_is_taken() -> None:
    assert Record.from_bytes(written(), "a.jpg") == RECORD


def test_deep_nesting_is_damage() -> None:
    packed = zlib.compress(b"[" * 60000)
    with pytest.raises(ImageFileError, match="damaged"):
        Record.from_bytes(packed, "a.jpg")


def test_takes_at_most_four_kilobytes() -> None:
    assert len(RECORD.to_bytes()) < MAX_BYTES // 4
    with pytest.raises(ImageFileError, match="at most 4096"):
        long = "".join(chr(0x4E00 + i * 7 % 20000) for i in range(9000))
        replace(RECORD, facts=replace(RECORD.facts, make=long)).to_bytes()


@pytest.mark.parametrize("size", [0, 3, 60])
def test_cut_short_is_damaged(size: int) -> None:
    with pytest.raises(ImageFileError, match="damaged"):
        Record.from_bytes(RECORD.to_bytes()[:size], "a.jpg")
