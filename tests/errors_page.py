"""docs/errors.md, written from the same source as `perdure explain`: python -m tests.errors_page."""

from collections.abc import Iterable
from pathlib import Path

from perdure.explaining import Explanation, explanations

PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.md"

HEAD = """\
# Errors

<!-- Written by `python -m tests.errors_page` from perdure/explanations.toml, as `perdure explain CODE` is. -->

Four families. `DefinitionError` (PD1xx) is the author's, raised when the class is defined. `Refused` is the chart's no:
nothing changed, and no key was consumed. `FrameError` (PF4xx) is a callback that did what it must not do. `StoreError`
(PS3xx) is the world: disk, file, lock, another process. What a callback of yours raises reaches the sender as it is;
then the transition did not happen. `perdure explain CODE` prints one entry, with an example.
"""

CALLBACKS = """
Also raised to the sender, without a code; the transition did not happen. `InvariantBroken`: an `@invariant` does not
hold, or microsteps never came to rest. `DataError`: an action put a value into the data that does not fit its type, or
too much of it.
"""

EXAMPLES = """
## Examples

Each triggers its code; imports are left out, `Go` and `Stop` are events, `Trail` is data with a field `steps`.
"""


def page(known: dict[str, Explanation]) -> str:
    """The whole page. Pure."""
    return (
        HEAD
        + "\n## The author: `DefinitionError`\n\n"
        + _table(_of(known, "PD1"))
        + "\n## What `check(Order)` finds; an error with `strict=True`\n\n"
        + _table(_of(known, "PD2"))
        + "\n## The chart: `Refused`\n\n"
        + _table((one for one in known.values() if one.name == "Refused"), mark="`")
        + "\n## A callback: `FrameError`, `ReentrantCall`\n\n"
        + _table(_of(known, "PF"))
        + CALLBACKS
        + "\n## The world: `StoreError`\n\n"
        + _table(_of(known, "PS"), with_name=True)
        + EXAMPLES
        + "".join(f"\n### {one.code}\n\n```py\n{one.example}\n```\n" for one in known.values() if one.example)
    )


def _of(known: dict[str, Explanation], start: str) -> Iterable[Explanation]:
    return (one for one in known.values() if one.code.startswith(start))


def _table(entries: Iterable[Explanation], *, mark: str = "", with_name: bool = False) -> str:
    head = ("code", "class", "rule", "repair") if with_name else ("code", "rule", "repair")
    rows = [
        (f"{mark}{one.code}{mark}", *((f"`{one.name}`",) if with_name else ()), one.rule, one.repair) for one in entries
    ]
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", r"\|") for cell in row) for row in rows)]
    return (
        "".join("| " + " | ".join(line) + " |\n" for line in lines).replace("| --- ", "|---").replace("|--- |", "|---|")
    )


if __name__ == "__main__":
    PAGE.write_text(page(explanations()), encoding="utf-8")
