"""Run both type checkers over this folder and compare what they find with the marks: `python -m tests.typing`.

A line that ends in `# error` must be an error under each checker, and no other line may be one. Both run in their
strict modes, for the oldest and the newest Python of pyproject.toml's classifiers. Part of `make lint`.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MARK = "# error"

Lines = set[tuple[str, int]]  # name of a file, number of a line


def programs() -> list[Path]:
    """The programs for the checkers, without this one."""
    return sorted(path for path in HERE.glob("*.py") if not path.name.startswith("__"))


def marked(paths: Iterable[Path]) -> Lines:
    """The lines that must be errors."""
    return {
        (path.name, number)
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if line.endswith(MARK)
    }


def versions(pyproject: str) -> tuple[str, str]:
    """The oldest and the newest supported Python. Pure."""
    named = (one.rpartition(" ")[2] for one in tomllib.loads(pyproject)["project"]["classifiers"] if ":: 3." in one)
    ordered = sorted(named, key=lambda version: [int(part) for part in version.split(".")])
    return ordered[0], ordered[-1]


def mypy(version: str) -> Lines:
    """What mypy finds."""
    names = [str(path.relative_to(ROOT)) for path in programs()]
    shown = _run("mypy", "--hide-error-context", "--no-pretty", "--python-version", version, *names)
    return errors_of_mypy(shown)


def errors_of_mypy(shown: str) -> Lines:
    """The lines in this folder that mypy calls errors. Pure."""
    found = re.findall(r"^tests/typing/(\w+\.py):(\d+): error:", shown, flags=re.MULTILINE)
    return {(name, int(line)) for name, line in found}


def pyright(version: str) -> Lines:
    """What pyright finds."""
    return errors_of_pyright(
        _run("pyright", "--outputjson", "-p", str(HERE), "--pythonversion", version, "--pythonpath", sys.executable)
    )


def errors_of_pyright(shown: str) -> Lines:
    """The lines that pyright calls errors. Pure."""
    found = json.loads(shown)["generalDiagnostics"]
    lines = [one for one in found if one["severity"] == "error"]
    return {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in lines}


def _run(tool: str, *words: str) -> str:
    done = subprocess.run([sys.executable, "-m", tool, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:  # 1: there are errors, as there must be
        sys.exit(f"{tool} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def differences(expected: Lines, found: Lines) -> list[str]:
    """One line for each mark that was missed and each error without a mark. Pure."""
    missed = [f"{name}:{line}: marked, and no error" for name, line in sorted(expected - found)]
    return missed + [f"{name}:{line}: an error, and not marked" for name, line in sorted(found - expected)]


def main() -> int:
    """Print the counts per checker and version, and each difference."""
    expected = marked(programs())
    problems = 0
    for version in versions((ROOT / "pyproject.toml").read_text(encoding="utf-8")):
        for check in (mypy, pyright):
            found = check(version)
            different = differences(expected, found)
            problems += len(different)
            print(
                f"{check.__name__:<8} Python {version}: {len(expected & found)} of {len(expected)} marked mistakes "
                f"found, {len(found - expected)} errors elsewhere in {len(programs())} programs",
                *different,
                sep="\n  ",
            )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
