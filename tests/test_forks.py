"""A forked child is told that the engine is not its own, whatever it tries, and costs the parent nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import recovery
from tests.children import ROOT, run_child
from tests.forking import Walker
from tests.patience import WAIT_SECONDS_MAX

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

PLACES = {
    "idle": 2,
    "callback": 3,
    "callback of the writer's thread": 3,
    "callback of a subscriber": 3,
    "commit": 3,
}
"""Where a fork happens, and how many steps the parent has taken in the end."""
DO_NOTHING = {"close", "store.close"}
HOST = "import sys; from tests.forking import host; host(*sys.argv[1:])"


@pytest.mark.parametrize("how", ["exits", "unwinds"])
@pytest.mark.parametrize("where", PLACES)
def test_a_forked_child_is_refused_everything_and_changes_no_file(where: str, how: str, tmp_path: Path) -> None:
    """Also where another thread is inside COMMIT at the fork, and where the child goes back into the engine."""
    path, steps = tmp_path / "a.db", PLACES[where]
    command = [sys.executable, "-m", "tests.forking", str(path), where, how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_SECONDS_MAX, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    state = {name: told.pop(name) for name in ("code", "changed", "took", "rows", "count")}
    assert state == {"code": 0, "changed": [], "took": steps, "rows": [[steps, steps]], "count": steps}
    assert told.pop("open") == "PS309"
    assert {name for name, code in told.items() if code is None} == DO_NOTHING
    assert {code for name, code in told.items() if name not in DO_NOTHING} == {"PS310"}
    assert recovery.verify(path, Walker).is_clean


FORKED = ["PS309, exit code 0 version 3", "version 4, exit code 0"]
FRESH = ["version 3, exit code 0 version 4", "version 5, exit code 0"]


@pytest.mark.parametrize(("method", "said"), [("fork", FORKED), ("forkserver", FRESH), ("spawn", FRESH)])
def test_a_process_opens_a_file_unless_its_parent_had_it_open_at_the_fork(
    method: str, said: list[str], tmp_path: Path
) -> None:
    """A forked child would take none of the locks that its parent's connection seems to have given it."""
    code, printed = run_child(HOST, tmp_path / "a.db", method)
    assert (code, printed.split("\n")) == (0, said)
