"""The test suite of `transitions` 0.9.3, unchanged, on `StatechartMachine`.

The suite comes from the sdist on the package index. It runs twice: once for the counts, and a part of it with nothing
bound anew, which must be noticed: a run that does not reach our engine would otherwise pass for ever.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".conformance"
NAME = "transitions-0.9.3"
SHA256 = "881fb75bb1654ed55d86060bb067f2c716f8e155f57bb73fd444e53713aafec8"
NEEDED = ("mock", "dill", "pycodestyle", "graphviz")
TIMEOUT_S = 900  # it takes one minute


@frozen
class Counts:
    """What is known to be right."""

    passed: int
    skipped: int
    machines: int  # somewhat fewer than a right run makes


WITH_DOT = Counts(passed=2855, skipped=288, machines=1_200)
WITHOUT_DOT = Counts(passed=1383, skipped=1760, machines=900)  # every class of tests that draws is skipped


def judge(seen: Mapping[str, int], *, has_dot: bool) -> list[str]:
    """Return what is wrong with a run; empty if nothing is. Pure."""
    known = WITH_DOT if has_dot else WITHOUT_DOT
    wrong = [f"{seen.get(one, 0)} {one}" for one in ("failed", "error", "xpassed") if seen.get(one, 0)]
    if seen.get("passed", 0) < known.passed:
        wrong.append(f"{seen.get('passed', 0)} passed, and {known.passed} did")
    if seen.get("skipped", 0) > known.skipped:
        wrong.append(f"{seen.get('skipped', 0)} skipped, and {known.skipped} were")
    if min(seen.get("machines", 0), seen.get("selections", 0)) < known.machines:
        wrong.append(
            f"{seen.get('machines', 0)} machines of ours, {seen.get('selections', 0)} selections: wired wrongly"
        )
    return wrong


def run() -> int:
    """Fetch, run and judge the suite; return the exit code."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"transitions: {', '.join(missing)} not installed. Run `make conformance`.")
        return 2
    has_dot = _find_dot()
    suite = fetch()
    seen = _run_suite(suite, ["tests"])
    wrong = judge(seen, has_dot=has_dot)
    control = _run_suite(suite, ["tests/test_parallel.py"], unwired=True)
    if not any("wired wrongly" in one for one in judge(control, has_dot=has_dot)):
        wrong.append("the control, a run on transitions' own machines, was not noticed")
    for one in wrong:
        print(f"transitions: wrong: {one}")
    print(f"transitions: {seen['machines']} machines and {seen['selections']} selections were ours")
    print(f"transitions: {seen['passed']} passed, {seen['failed'] + seen['error']} failed, {seen['skipped']} skipped")
    return 1 if wrong else 0


def fetch() -> Path:
    """Return the folder of the unpacked sdist, fetched once. Raises SystemExit if it is another one than we know."""
    archive = CACHE / f"{NAME}.tar.gz"
    if not archive.exists():
        CACHE.mkdir(exist_ok=True)
        name, _, version = NAME.partition("-")
        pip = [*_pip(), "download", "--quiet", "--no-deps", "--no-binary", name, "--dest", str(CACHE)]
        subprocess.run([*pip, f"{name}=={version}"], check=True, timeout=TIMEOUT_S)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"transitions: {archive} has sha256 {digest}, expected {SHA256}. Delete it and fetch again.")
    folder = CACHE / NAME
    shutil.rmtree(folder, ignore_errors=True)  # what stands there may have been changed
    with tarfile.open(archive) as sdist:
        sdist.extractall(CACHE, filter="data")
    return folder


def _pip() -> list[str]:
    """Return a pip; an environment made by uv has none of its own."""
    own = [sys.executable, "-m", "pip"]
    return own if importlib.util.find_spec("pip") else [shutil.which("pip") or "pip"]


def _find_dot() -> bool:
    """Say whether graphviz's program is there; as root on Debian it is installed if it is not."""
    if shutil.which("dot") is None and shutil.which("apt-get") and os.geteuid() == 0:
        print("transitions: no `dot` on the PATH; installing graphviz with apt-get", flush=True)
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "graphviz"]):
            subprocess.run(["apt-get", *command], check=False, capture_output=True, timeout=TIMEOUT_S)
    found = shutil.which("dot") is not None
    if not found:
        more = WITHOUT_DOT.skipped - WITH_DOT.skipped
        print(f"transitions: no `dot` on the PATH: {more} more tests, those that draw, are skipped. Install graphviz.")
    return found


def _run_suite(suite: Path, tests: Sequence[str], *, unwired: bool = False) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CONFORMANCE"))},
            "PYTHONPATH": str(HERE),  # of the plugin; the suite's own package stands first, in the current folder
            "CONFORMANCE_REPORT": str(report),
            **({"CONFORMANCE_UNWIRED": "1"} if unwired else {}),
        }
        # The suite's own options stop at the first failure. xdist would count in other processes.
        options = ["-q", "--no-header", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "transitions_plugin"]
        command = [sys.executable, "-m", "pytest", *options, "-p", "no:xdist", *tests]
        done = subprocess.run(
            command, cwd=suite, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        if not report.exists():
            raise SystemExit(f"transitions: the suite did not run:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        seen: dict[str, int] = json.loads(report.read_text(encoding="utf-8"))
        if seen["failed"] or seen["error"]:
            print(done.stdout[-20_000:])
    return seen
