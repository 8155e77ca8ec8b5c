"""The benchmarks run and say what they measured; no test asserts a time."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.durable.lines import TARGETS, as_text, line, skipped
from benchmarks.durable.stages import STAGES, Stopwatch
from benchmarks.durable.work import SHARED_MEMORY
from benchmarks.marks import BEGIN, END, synced
from benchmarks.peers.durable import PEERS

ROOT = Path(__file__).resolve().parent.parent

TRACED = f"""\
101 fsync(9</tmp/a/early.db>) = 0
101 fsync(7</tmp/a/{BEGIN}>) = 0
101 fdatasync(5</tmp/a/lamps.db-wal>) = 0
102 fdatasync(5</tmp/a/lamps.db-wal> <unfinished ...>
101 fsync(6</tmp/a>) = 0
102 <... fdatasync resumed>) = 0
101 fsync(8</tmp/a/lamps.db.anchor>) = 0
101 fsync(7</tmp/a/{END}>) = 0
101 fsync(9</tmp/a/lamps.db>) = 0
"""


def run(folder: Path, module: str, *arguments: str) -> Any:
    where = SHARED_MEMORY if SHARED_MEMORY.is_dir() else folder  # only what is printed matters here
    command = [sys.executable, "-m", module, "-o", "json", "--folder", str(where), *arguments]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


@pytest.mark.long
def test_smoke_run_measures_or_skips_everything_that_has_a_target(tmp_path: Path) -> None:
    found = run(tmp_path, "benchmarks.durable", "--size", "smoke")
    lines = {one["name"]: one for one in found["lines"]}
    assert set(TARGETS) <= set(lines)
    for name, one in lines.items():
        if one["value"] is None:
            assert one["note"].startswith("skipped: "), name
        else:
            assert one["least"] <= one["value"] <= one["most"], name
            assert math.isfinite(one["value"]), name
            assert one["verdict"] in ({"met", "missed"} if name in TARGETS else {""}), name


@pytest.mark.long
def test_peers_job_runs_on_what_needs_no_environment_of_its_own(tmp_path: Path) -> None:
    ours = [peer.name for peer in PEERS if not peer.needs]
    found = run(tmp_path, "benchmarks.peers.durable", "--rounds", "1", "--jobs", "2", "--only", *ours)
    assert [peer["name"] for peer in found["peers"]] == ours
    assert [peer["problem"] for peer in found["peers"]] == [""] * len(ours)


def test_profile_attributes_the_whole_of_what_it_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.durable.stages._own_cost", lambda: 0)  # it is measured, and taken off
    watch = Stopwatch()
    inner = watch.timed("inner", lambda: sum(range(100)))
    outer = watch.timed("outer", lambda: [inner() for _ in range(10)])
    outer()
    assert watch.stages == {}, "a stopwatch that is not on counts nothing"
    watch.is_on = True
    outer()
    assert {name: calls for name, (_, calls, _) in watch.stages.items()} == {"inner": 10, "outer": 1}
    whole = sum(spent for spent, *_ in watch.stages.values())
    stages = watch.microseconds(1, whole=whole / 1e9)
    assert sum(spent for spent, _ in stages.values()) == pytest.approx(whole / 1000)


def test_profile_names_every_stage_as_it_stands_in_the_code(tmp_path: Path) -> None:
    """A function that was renamed, or is made otherwise, would fail it, or be missing."""
    command = [sys.executable, "-m", "benchmarks.durable", "--size", "smoke", "--profile", "serial"]
    ran = subprocess.run([*command, "--folder", str(tmp_path)], cwd=ROOT, check=True, capture_output=True, text=True)
    assert {name for name in STAGES.values() if name not in ran.stdout} == set()
    assert "SQL: COMMIT" in ran.stdout


def test_figure_is_held_to_its_target_on_the_right_side() -> None:
    assert line("bytes, without a key", [240.0], "bytes").verdict == "met"
    assert line("bytes, without a key", [240.1], "bytes").verdict == "missed"
    assert line("64 threads", [3.0], "of raw").verdict == "met"
    assert line("64 threads", [2.9], "of raw").verdict == "missed"
    assert line("something else", [1.0], "us").verdict == ""
    assert "missed" in as_text(line("64 threads", [1.0], "of raw"))
    assert "skipped: no disk" in as_text(skipped("64 threads", "no disk"))


def test_syncs_are_counted_between_the_marks_alone_and_by_file(tmp_path: Path) -> None:
    """A call that was interrupted by another thread's counts once; the folder's and the anchor's count."""
    told = tmp_path / "strace"
    told.write_text(TRACED)
    assert synced(told) == {"-wal": 2, "folder or other": 1, ".anchor": 1}


def test_syncs_without_marks_count_as_nothing(tmp_path: Path) -> None:
    told = tmp_path / "strace"
    told.write_text(TRACED.replace(BEGIN, "another").replace(END, "name"))
    assert synced(told) == {}
