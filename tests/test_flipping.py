"""Random damage in files that hold all there is: each door gives a verdict, a coded error, or what was told before."""

from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from attrs import evolve

from statemachine import backing
from tests.damage import change
from tests.flipping import FILE, Pages, Told, damages, judge, library, repaired

KINDS = ["at rest", "after a kill", "after a repair"]


def files_of(folder: Path, level: str, kind: str) -> tuple[dict[str, bytes], dict[str, Told]]:
    """Return the files of a store, and what its callers were told."""
    path, known, killed = library(folder, level)
    if kind == "after a kill":
        return killed, known
    known = known if kind == "at rest" else repaired(path, known)
    return {name: path.with_name(name).read_bytes() for name in (FILE, f"{FILE}-anchor")}, known


def wrong(folder: Path, level: str, kind: str, *, seed: int, count: int) -> list[str]:
    """Return what was wrong with the answers about some damaged files, each with what was done to it."""
    files, known = files_of(folder, level, kind)
    assert list(judge(folder / "sound", files, known)) == []
    found = list[str]()
    for what, damaged in damages(files, seed=seed, count=count):
        found += [f"{what}: {reason}" for reason in judge(folder / "damaged", damaged, known)]
        rmtree(folder / "damaged")
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", ["full", "normal"])
def test_random_damage_is_told_or_harmless(tmp_path: Path, level: str, kind: str) -> None:
    assert wrong(tmp_path, level, kind, seed=1, count=8) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", ["full", "normal"])
def test_much_random_damage_is_told_or_harmless(tmp_path: Path, level: str, kind: str) -> None:
    assert wrong(tmp_path, level, kind, seed=2, count=400) == []


@pytest.mark.parametrize(
    ("planted", "seen"),
    [
        ({"data": Pages("another book")}, "b-4: told 6 open_"),
        ({"state": "closed"}, "b-4: told 6 closed"),
        ({"hashes": ("other",) * 6}, "b-4 is not as it was, and was verified as clean"),
        ({"keys": {"k-0": 3}}, "b-4: k-0 was version 3, and answers 2, True"),
        ({"keys": {"k-9": 3}}, "b-4: k-9 was version 3, and answers 7, False"),
    ],
)
def test_another_answer_than_the_one_that_was_told_is_seen(tmp_path: Path, planted: dict[str, Any], seen: str) -> None:
    """The judge's own test: the file is sound, and somebody remembers something else."""
    files, known = files_of(tmp_path, "full", "at rest")
    known["b-4"] = evolve(known["b-4"], **planted)
    found = list(judge(tmp_path / "judged", files, known))
    assert any(one.startswith(seen) for one in found), found


def test_a_backup_of_damage_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above: here a backup is held to nothing."""
    path, known, _ = library(tmp_path, "full")
    change(path, "update perdure_journal set note = 'x' where n = 9")
    monkeypatch.setattr(backing, "damage_of", lambda _reader, _definitions: ())
    files = {name: path.with_name(name).read_bytes() for name in (FILE, f"{FILE}-anchor")}
    assert any(one.startswith("a backup was made of what is damaged") for one in judge(tmp_path / "x", files, known))
