"""The three commands to try next: each works where the demo was run, pasted in this order."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from perdure.demo.parent import Run
from perdure.demo.place import KEPT, Place

__all__ = ["commands", "program", "repeats"]

WORKFLOW = "perdure.demo.order:Order"


def commands(run: Run, place: Place) -> tuple[str, str, str]:
    """Return three command lines. A file that is there already is not made again."""
    perdure = program()
    again = f"{perdure} demo --seed {run.script.seed}"
    planted = f"{perdure} demo --break"
    kept = place.kept if place.kept is not None else KEPT if Path(KEPT).exists() else None
    if kept is None:
        keep = f"{perdure} demo --keep --seed {run.script.seed}"
        return keep, f"{perdure} verify {KEPT} {WORKFLOW}", again if run.forgets else planted
    verify = f"{perdure} verify {shlex.quote(kept)} {WORKFLOW}"
    return (verify, again, planted) if run.forgets else (verify, planted, again)


def repeats(run: Run) -> tuple[str, str]:
    """Return what to run where something was found that nobody had planted."""
    planted = " --break" if run.forgets else ""
    return (
        f"{program()} demo --seed {run.script.seed}{planted}",
        f"{program()} verify {shlex.quote(run.path)} {WORKFLOW}",
    )


def program() -> str:
    """Return how `perdure` is called from here: by name where a shell finds it, else by the path of the script."""
    script = Path(sys.executable).parent / "perdure"
    found = shutil.which("perdure")
    if not script.exists() or (found is not None and Path(found).resolve() == script.resolve()):
        return "perdure"
    here = os.path.relpath(script)
    return shlex.quote(str(script) if here.startswith(os.pardir) else here)
