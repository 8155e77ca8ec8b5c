"""A pytest plugin that lets the test suite of `transitions` run on `StatechartMachine`.

It is loaded as a module of its own (`-p transitions_plugin`), because the suite's package is called `tests` too. Names
are bound anew in the modules of the suite only, after they were collected: inside `transitions` a class that calls
`super(HierarchicalMachine, self)` would recurse without end. Asynchronous machines stay what they are.

What it saw goes to the file that CONFORMANCE_REPORT names; with CONFORMANCE_UNWIRED set, nothing is bound anew. Without
`dot` the suite is told that it has no graphviz, as it would be where nobody installed it: tests that draw are skipped.
"""

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from transitions.extensions import factory
from transitions.extensions.diagrams import HierarchicalGraphMachine, NestedGraphTransition
from transitions.extensions.factory import LockedHierarchicalGraphMachine, LockedHierarchicalMachine
from transitions.extensions.markup import HierarchicalMarkupMachine
from transitions.extensions.nesting import HierarchicalMachine

from statemachine.machine import StatechartMachine, StatechartTransition

if shutil.which("dot") is None:
    vars(sys)["modules"]["graphviz"] = None  # what makes an import of it fail

REPORT, UNWIRED = "CONFORMANCE_REPORT", "CONFORMANCE_UNWIRED"


def _derived(name: str, *bases: type, **body: object) -> Any:
    """Return a class made of these bases; one in the source would not please type checkers, as theirs does not."""
    return type(name, bases, {"__module__": __name__, **body})


# Each is to StatechartMachine what its first base is to HierarchicalMachine; names of this module, to be pickled.
GraphTransition = _derived("GraphTransition", NestedGraphTransition, StatechartTransition)
Markup = _derived("Markup", HierarchicalMarkupMachine, StatechartMachine)
Locked = _derived("Locked", LockedHierarchicalMachine, StatechartMachine)
Graph = _derived("Graph", HierarchicalGraphMachine, StatechartMachine, transition_cls=GraphTransition)
LockedGraph = _derived("LockedGraph", LockedHierarchicalGraphMachine, StatechartMachine, transition_cls=GraphTransition)

OURS: dict[type, type] = {
    HierarchicalMachine: StatechartMachine,
    HierarchicalMarkupMachine: Markup,
    LockedHierarchicalMachine: Locked,
    HierarchicalGraphMachine: Graph,
    LockedHierarchicalGraphMachine: LockedGraph,
}

seen: Counter[str] = Counter()
"""How often the engine under test was made, and how often it selected: a run that is wired wrongly shows here."""


def pytest_configure() -> None:
    """Count what the engine does."""
    for name, counted in (("__init__", "machines"), ("_trigger_event_nested", "selections")):
        _count(name, counted)


def _count(name: str, counted: str) -> None:
    straight = getattr(StatechartMachine, name)

    def counting(machine: StatechartMachine, *arguments: Any, **named: Any) -> Any:
        seen[counted] += 1
        return straight(machine, *arguments, **named)

    setattr(StatechartMachine, name, counting)


def pytest_collection_modifyitems() -> None:
    """Bind our classes where the suite's modules name those of `transitions`."""
    if UNWIRED in os.environ:
        return
    predefined: dict[Any, type] = factory._CLASS_MAP  # what MachineFactory hands out
    predefined.update({key: OURS[value] for key, value in predefined.items() if value in OURS})
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "tests"]:
        for name, value in vars(module).items():
            if isinstance(value, type) and value in OURS:
                setattr(module, name, OURS[value])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write down how it went."""
    stats: dict[str, list[Any]] = terminalreporter.stats
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        seen[outcome] = len(stats.get(outcome, ()))
    Path(os.environ[REPORT]).write_text(json.dumps(seen), encoding="utf-8")


@pytest.hookimpl(tryfirst=True)
def pytest_report_header() -> str:
    """Say what is under test."""
    return "engine under test: " + ("transitions itself" if UNWIRED in os.environ else "StatechartMachine")
