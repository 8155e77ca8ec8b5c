"""The README's first program is short, runs in an empty folder, and runs again after itself."""

import subprocess
import sys
from pathlib import Path

from tests.snippets import python_blocks

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))[0]


def run(folder: Path) -> str:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_first_program_has_at_most_15_lines() -> None:
    assert len(PROGRAM.strip().splitlines()) <= 15


def test_first_program_runs_and_its_second_run_is_a_replay(tmp_path: Path) -> None:
    assert run(tmp_path) == "<Transition r-1 v2 Approve: waiting → approved>\n"
    assert run(tmp_path) == "<Transition r-1 v2 Approve: waiting → approved (replayed)>\n"


def test_architecture_page_names_every_module() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("persistence", "statemachine", "recovery")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    ]
    lost = [name for name in modules if f".{name.rpartition('.')[2]}`" not in page and f"`{name}`" not in page]
    assert [name for name in lost if not name.startswith("recovery.drills")] == []
