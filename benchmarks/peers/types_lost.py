"""What other libraries bring back of the values of docs/data.md; prints the table at its end.

    python3.11 -m venv peers && peers/bin/pip install harel==0.9.0 xstate-statemachine==0.11.0 attrs
    peers/bin/python benchmarks/peers/types_lost.py docs/data.md

Needs neither perdure nor its dependencies. Not run in CI: the versions are those of the day that the table names.
"""

import importlib
import re
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \|$", re.MULTILINE)
WIDTH_MAX = 70


def harel(value: object) -> object:
    """Save and load an execution with this value in its context."""
    execution: Any = importlib.import_module("harel.engine.execution")
    stores: Any = importlib.import_module("harel.engine.store.sqlite")
    store = stores.SqliteStore()
    saved = execution.Execution(definition_id="d", context={"value": value})
    store.save(saved)
    return store.load(saved.id).context["value"]


def xstate(value: object) -> object:
    """Take a snapshot of a machine with this value in its context, and restore it."""
    library: Any = importlib.import_module("xstate_statemachine")
    config: dict[str, Any] = {"id": "m", "initial": "a", "context": {"value": value}, "states": {"a": {}}}
    machine = library.create_machine(config)
    text = library.SyncInterpreter(machine).start().get_snapshot()
    return library.SyncInterpreter.from_snapshot(text, machine).context["value"]


def outcome(function: Callable[[object], object], value: object) -> str:
    """Say what came back."""
    try:
        back = function(value)
    except Exception as error:  # noqa: BLE001  # whatever it raises is the answer
        return f"raises {type(error).__name__}"
    if repr(back) == repr(value) and type(back) is type(value):
        return "the same"
    shown = repr(back).replace("|", "\\|")
    return f"`{shown if len(shown) <= WIDTH_MAX else shown[: WIDTH_MAX - 1] + '…'}`"


def main(page: str) -> None:
    """Print the table."""
    text = Path(page).read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(text.partition("```python\n")[2].partition("```")[0], names)  # noqa: S102  # our own page
    print(f"| value | harel {version('harel')} | xstate-statemachine {version('xstate-statemachine')} |")
    print("|---|---|---|")
    for _, value, _ in ROW.findall(text.partition("## What is refused")[0]):
        made = eval(value, names)  # noqa: S307  # our own page
        print(f"| `{value}` | {outcome(harel, made)} | {outcome(xstate, made)} |")


if __name__ == "__main__":
    main(sys.argv[1])
