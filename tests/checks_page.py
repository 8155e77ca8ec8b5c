"""docs/checks.md, written from the same source as `perdure explain`: python -m tests.checks_page."""

from pathlib import Path

from perdure.explaining import Explanation, explanations

PAGE = Path(__file__).resolve().parent.parent / "docs" / "checks.md"

HEAD = """\
# What `check` finds

<!-- Written by `python -m tests.checks_page` from perdure/explanations.toml, as `perdure explain CODE` is. -->

A workflow that cannot run is an error when its class is defined ([errors.md](errors.md)). What can run but looks
wrong is a finding: `check(Order)` returns them, `perdure check shop:Order` prints them and exits with 1 (`-o json`
for a program), and `strict=True` in the class line makes the first one an error.

**A finding is certain.** It rests on everything that the chart can do, by the rules that run it: parallel regions,
histories, several targets, ends of regions, deferring. A guard, or whether a sender has a role, is taken either way,
and the same guard answers the same within one step; any event may come at any time, also from an action; tasks and
timers may end either way. So what is called unreachable is, whatever guards say. What depends on data is not looked
at.

A chart with more than {places:,} places (configurations, with what regions remember), {steps:,} steps, or {choices}
ways to answer the guards of one event is not explored to the end. It has only the findings that need no exploring
(PD204, PD209, PD211, PD216), never a doubtful one, and `perdure check` says so. Where a rule of a subclass takes an
event before its base's, that is meant, and no finding.

## What is meant

A finding that is meant is accepted in the class, with the reason:

```python
from attrs import frozen
from statemachine import State, Workflow, check, on

@frozen
class Park: ...

class Order(Workflow[None], revision=1, strict=True, accept={{"PD202 parked": "kept for instances of revision 1"}}):
    cart = State(initial=True)
    parked = State()

    @on(Park, cart, to=parked)
    def park(self, event: Park) -> None: ...

assert check(Order) == ()
```

A key is a code, or a code and the place that the finding names (`where`): a state, a method, an event. A subclass
accepts what its bases do, and may accept more. What is accepted and is not there is a finding itself (PD217). Nothing
of it is stored: the fingerprint is the same with and without.

## The table

Each example triggers its finding, and the tests run them. Imports are left out; `Go` and `Stop` are events, `Trail` is
data.

"""


def page(known: dict[str, Explanation]) -> str:
    """The whole page. Pure."""
    from statemachine.findings.exploring import CHOICES_MAX, PLACES_MAX, STEPS_MAX

    rows = [one for one in known.values() if one.code.startswith("PD2")]
    table = "".join(f"| [{one.code}](#{one.code.lower()}) | {one.rule} | {one.repair} |\n" for one in rows)
    examples = "".join(f"\n### {one.code}\n\n```py\n{one.example}\n```\n" for one in rows)
    head = HEAD.format(places=PLACES_MAX, steps=STEPS_MAX, choices=CHOICES_MAX)
    return f"{head}| code and example | rule | repair |\n|---|---|---|\n{table}{examples}"


if __name__ == "__main__":
    PAGE.write_text(page(explanations()), encoding="utf-8")
