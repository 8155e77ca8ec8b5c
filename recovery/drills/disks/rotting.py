"""A run of bit rot: one bit of a file at rest turns over, and a full verification must say so, or nothing has changed.

What it cannot say is counted and not hidden: the user's own rows carry no hash of ours. A log that is damaged ends for
SQLite before the damage: that the acknowledged tail after it is gone is for the anchor to tell, and so is a log that
was cut behind any of its commits.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve

import recovery
from persistence import StoreError
from recovery.drills.disks.judging import look
from recovery.drills.disks.losing import Recording
from recovery.drills.disks.recording import SUFFIXES
from recovery.drills.disks.results import Result
from recovery.drills.disks.rot import Flip, flips
from recovery.drills.disks.states import CrashState, CrashStates
from recovery.drills.disks.trial import FILE, Trial
from recovery.drills.disks.undisturbed import evidence_in
from recovery.drills.judge import Finding, Kind
from recovery.drills.steps import Evidence, Opened

__all__ = ["cut_log", "keeps_frames", "rot"]

LOG_HEADER, FRAME = 32, 24 + 4096  # bytes of the log's header, and of one page with its own


def rot(trial: Trial, state: CrashState, folder: Path, *, count: int, seed: int = 0) -> Result:
    """Flip drawn bits of the files of a state, one at a time, and look at what a verification says of each."""
    result = Result(f"bit rot, {' and '.join(sorted(state.files))}")
    with TemporaryDirectory(dir=folder) as name:
        sound = _written(state, Path(name))
        wanted = evidence_in(sound)
        drawn = list(flips(*_files(sound), count=count, seed=seed))
        result.extent = f"{len(drawn)} of {8 * sum(path.stat().st_size for path in _files(sound))} bits"
    for flip in drawn:
        with TemporaryDirectory(dir=folder) as name:
            path = _written(state, Path(name))
            Flip(path.with_name(flip.path.name), flip.bit).turn()
            seen, finding = _verdict(trial, path, wanted)
        result.seen[seen] += 1
        result.judge(str(flip), finding)
    return result


def keeps_frames(state: CrashState, folder: Path, visit: Callable[[Path], object]) -> Result:
    """Damage the middle frame of a log, let somebody open and close the file, and look whether the rest is still there.

    The frames behind the damage are intact, and the only place where what was acknowledged last still stands.
    """
    result, log = Result("a damaged log, opened and closed"), f"{FILE}-wal"
    with TemporaryDirectory(dir=folder) as name:
        path = _written(state, Path(name))
        behind = LOG_HEADER + FRAME * (1 + (len(state.files[log]) - LOG_HEADER) // FRAME // 2)
        Flip(path.with_name(log), 8 * (behind - 1)).turn()
        intact = state.files[log][behind:]
        visit(path)
        left = path.with_name(log).read_bytes() if path.with_name(log).exists() else b""
    lost = Finding(Kind.LOST, f"{len(intact)} bytes of intact frames", f"a log of {len(left)} bytes with others in it")
    result.judge("a flipped bit in the middle frame", [] if left[behind:] == intact else [lost])
    return result


def cut_log(trial: Trial, recording: Recording, folder: Path) -> Result:
    """Kill a process behind each answer, take its last commit from the log, and look whether the loss is told."""
    result, log = Result("a log that is cut"), f"{FILE}-wal"
    told = [place for place, op in enumerate(recording.disk.log, start=1) if op.kind == "told"]
    for before, after in pairwise(told):
        earlier, later = (next(CrashStates(recording.disk, end=place).at_end()) for place in (before, after))
        with TemporaryDirectory(dir=folder) as name:
            path = _written(later, Path(name))
            path.with_name(log).write_bytes(earlier.files[log])
            seen = look(trial, path)
        result.judge(later.story, _told_of(seen))
    return result


def _told_of(seen: Opened | Finding) -> list[Finding]:
    if isinstance(seen, Finding):
        return [seen]
    if any(one.startswith("TAIL LOST") for one in seen.damage):
        return []
    return [Finding(Kind.LOST, "TAIL LOST, with its range", f"{len(seen.once.lines)} transitions, and no word")]


def _written(state: CrashState, folder: Path) -> Path:
    state.write(folder)
    return folder / FILE


def _files(path: Path) -> list[Path]:
    return [file for suffix in SUFFIXES if (file := path.with_name(f"{FILE}{suffix}")).exists()]


def _verdict(trial: Trial, path: Path, wanted: Evidence) -> tuple[str, list[Finding]]:
    """Return what a flip came to, and what must not be."""
    try:
        report = recovery.verify(path, trial.workflow)
        if not report.is_clean:
            return "found by verify", []
        found = evidence_in(path)
    except StoreError:
        return "refused with a code", []
    if found == wanted:
        return "no effect", []
    if evolve(found, observed=wanted.observed) == wanted:
        return "the user's own rows, which carry no hash", []
    if len(found.lines) < len(wanted.lines) and set(found.lines) < set(wanted.lines):
        return "UNSEEN", [Finding(Kind.LOST, "a verification that tells of the lost tail", "a clean one")]
    return "UNSEEN", [Finding(Kind.DIFFERS, "what was there, or a verification that says so", "other rows or heads")]
