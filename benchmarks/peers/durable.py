"""The same durable job on Perdure and on its peers: time, syncs and bytes of a step, and what a step's durability is.

    python -m benchmarks.peers.durable [--rounds N] [--jobs N] [--only NAME …] [-o text|json|markdown]

A job is a new instance that takes 20 steps, one after another; each leaves a small new state on the disk before the
next begins. Each library runs in an environment of its own under `.peers/`, made at the first run, and as its
documentation recommends for one process on SQLite (`benchmarks/peers/jobs/`). Every round runs every library once, in a
process and a file of its own, between two runs of apsw alone: what compares is the ratio to these. That of apsw alone
to itself is the noise of the machine. Syncs are counted by strace in a run of its own; bytes are what the files grow
by, closed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from attrs import define, field, frozen

from benchmarks.durable.lines import progress
from benchmarks.durable.work import file_system, scratch, sync_time
from benchmarks.marks import BEGIN, END, synced, watched
from benchmarks.peers.jobs.job import STEPS, WARM_JOBS

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".peers"
FEW_JOBS = 5  # of the run whose syncs are counted
KEPT = "WAL, FULL: an acknowledged step survives a power loss"
UNSURE = "rollback journal, FULL: a power loss may undo the newest acknowledged step"  # its folder is not synced


@frozen
class Peer:
    """A library, what its environment needs, and its durability."""

    name: str
    module: str
    needs: tuple[str, ...]  # none: it runs in ours
    durability: str


PEERS = (
    Peer("apsw alone", "raw", (), KEPT),
    Peer("perdure", "perdure", (), KEPT),
    Peer("harel", "harel", ("harel==0.9.0",), KEPT),
    Peer("eventsourcing", "eventsourcing", ("eventsourcing==9.5.6",), KEPT),
    Peer("burr", "burr", ("apache-burr==0.43.0",), UNSURE),
    Peer(
        "langgraph",
        "langgraph",
        ("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2"),
        f'{KEPT}, with durability="sync"; the default "async" stores it while the next one runs',
    ),
    Peer("dbos", "dbos", ("dbos==3.4.0", "pysqlite3-binary==0.5.4.post2"), UNSURE),
    Peer(
        "xstate-statemachine",
        "xstate",
        ("xstate-statemachine==0.11.0",),
        "WAL, NORMAL: a power loss may cost the newest acknowledged steps",
    ),
)


@define
class Found:
    """What was measured of a peer."""

    peer: Peer
    us: list[float] = field(factory=list[float])
    ratios: list[float] = field(factory=list[float])
    syncs: float | None = None
    bytes: float | None = None
    problem: str = ""

    @property
    def version(self) -> str:
        """What is pinned of it."""
        return self.peer.needs[0].partition("==")[2] if self.peer.needs else ""


class PeerError(Exception):
    """A peer could not be installed, or its job did not run."""


def python_of(peer: Peer) -> Path:
    """Return a peer's interpreter, and make its environment where that is missing. Raises PeerError."""
    if not peer.needs:
        return Path(sys.executable)
    folder = ENVIRONMENTS / peer.name
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == "\n".join(peer.needs):
        return python
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.needs],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PeerError(f"not installed: {_last_line(done.stderr)}")
    stamp.write_text("\n".join(peer.needs), encoding="utf-8")
    return python


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no word of why")


def run(peer: Peer, folder: Path, jobs: int, *, told: Path | None = None) -> tuple[float, int, bool]:
    """Run jobs in an empty folder; return us a step, bytes left there, whether syncs were told to a file."""
    command = [str(python_of(peer)), "-m", f"benchmarks.peers.jobs.{peer.module}", str(folder), str(jobs)]
    traced = None if told is None else watched(command, told)
    done = subprocess.run(traced or command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0 and traced is not None:  # it may not trace here
        return run(peer, folder, jobs)
    if done.returncode != 0:
        raise PeerError(f"its job failed: {_last_line(done.stderr)}")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.name not in {BEGIN, END})
    return float(json.loads(done.stdout.splitlines()[-1])["us"]), size, traced is not None


def count(found: Found, folder: Path, jobs: int) -> None:
    """Count syncs in a short run, and bytes as what a longer one leaves beside it."""
    with scratch(folder) as few, scratch(folder) as many, scratch(folder) as place:
        told = place / "strace"
        _, small, is_traced = run(found.peer, few, FEW_JOBS, told=told)
        _, large, _ = run(found.peer, many, FEW_JOBS + jobs)
        found.bytes = (large - small) / (jobs * STEPS)
        if is_traced:
            found.syncs = sum(synced(told).values()) / (FEW_JOBS * STEPS)


def measure(peers: Sequence[Peer], folder: Path, *, rounds: int, jobs: int) -> list[Found]:
    """Measure all of them, round by round."""
    say = progress()
    all_found = [Found(peer) for peer in peers]
    for found in all_found:
        say(f"{found.peer.name}: environment, syncs and bytes")
        try:
            count(found, folder, jobs)
        except PeerError as error:
            found.problem = str(error)
    for number in range(rounds):
        sound = [found for found in all_found if not found.problem]
        before = _time(PEERS[0], folder, jobs)
        for found in sound:
            say(f"round {number + 1} of {rounds}: {found.peer.name}")
            found.us.append(_time(found.peer, folder, jobs))
            after = _time(PEERS[0], folder, jobs)
            found.ratios.append(found.us[-1] * 2 / (before + after))
            before = after
    say("")
    return all_found


def _time(peer: Peer, folder: Path, jobs: int) -> float:
    with scratch(folder) as place:
        return run(peer, place, jobs)[0]


def as_text(all_found: Sequence[Found]) -> str:
    """Return a table."""
    lines = [f"{'':28}{'us a step':>10}{'least':>8}{'most':>8}{'x apsw':>8}{'syncs':>7}{'bytes':>7}  durability"]
    for found in all_found:
        name = f"{found.peer.name} {found.version}"
        if found.problem:
            lines.append(f"{name:28}  {found.problem}")
            continue
        syncs = "no strace" if found.syncs is None else f"{found.syncs:.2f}"
        times = f"{median(found.us):10.0f}{min(found.us):8.0f}{max(found.us):8.0f}{median(found.ratios):8.2f}"
        lines.append(f"{name:28}{times}{syncs:>7}{found.bytes:7.0f}  {found.peer.durability}")
    return "\n".join(lines)


def as_markdown(all_found: Sequence[Found]) -> str:
    """Return the table of the README."""
    lines = ["| | us a step | x apsw alone | syncs a step | bytes a step | durability |", "|---|---|---|---|---|---|"]
    for found in all_found:
        if found.problem:
            lines.append(f"| {found.peer.name} {found.version} | {found.problem} | | | | |")
            continue
        syncs = "not counted" if found.syncs is None else f"{found.syncs:.2f}"
        cells = (
            f"{found.peer.name} {found.version}".strip(),
            f"{median(found.us):.0f}",
            f"{median(found.ratios):.2f} ({min(found.ratios):.2f} to {max(found.ratios):.2f})",
            syncs,
            f"{found.bytes:.0f}",
            found.peer.durability,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(facts: dict[str, Any], all_found: Sequence[Found]) -> str:
    """Return everything as one JSON object."""
    peers = [
        {
            "name": found.peer.name,
            "needs": found.peer.needs,
            "us": found.us,
            "ratios": found.ratios,
            "syncs": found.syncs,
            "bytes": found.bytes,
            "durability": found.peer.durability,
            "problem": found.problem,
        }
        for found in all_found
    ]
    return json.dumps({**facts, "peers": peers}, indent=2, ensure_ascii=False)


def main() -> None:
    """Measure, and print."""
    text, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.durable", description=text)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=25, help=f"of one round; {WARM_JOBS} more warm up")
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS], metavar="NAME")
    parser.add_argument("-o", "--output", choices=["text", "json", "markdown"], default="text")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to measure")
    given = parser.parse_args()
    peers = [peer for peer in PEERS if given.only is None or peer.name in given.only]
    with scratch(given.folder) as folder:
        facts: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "Python": sys.version.split()[0],
            "file system": file_system(folder),
            "fdatasync p50 us": round(sync_time(folder) * 1e6),
            "rounds": given.rounds,
            "steps a round": given.jobs * STEPS,
        }
        all_found = measure(peers, folder, rounds=given.rounds, jobs=given.jobs)
        facts["fdatasync p50 us, afterwards"] = round(sync_time(folder) * 1e6)
    if given.output == "json":
        print(as_json(facts, all_found))
        return
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print((as_text if given.output == "text" else as_markdown)(all_found))


if __name__ == "__main__":
    main()
