"""What a class accepts of its findings: `accept={"PD202 parked": "kept for old instances"}` in the class line.

A key is a code, or a code and the place that the finding names. A subclass accepts what its bases do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from statemachine.definition import Definition
from statemachine.errors import ChartFinding, DefinitionError

__all__ = ["ACCEPT", "accepted", "checked", "spare"]

ACCEPT = "__accept__"
"""Where a class keeps what it accepts itself."""


def checked(label: str, accept: object) -> Mapping[str, str]:
    """Return what a class accepts. Raises DefinitionError (PD142)."""
    known = cast("Mapping[object, object]", accept if isinstance(accept, Mapping) else {accept: ""})
    for key, reason in known.items():
        is_key = isinstance(key, str) and re.fullmatch(r"PD2\d\d( \S.*)?", key)
        if not is_key or not isinstance(reason, str) or not reason.strip():
            raise DefinitionError(
                "PD142",
                f"{label}: accept={accept!r} does not say what is accepted and why. "
                'Write accept={"PD202 parked": "kept for old instances"}: a code, or code and place, and the reason.',
            )
    return cast("Mapping[str, str]", dict(known))


def accepted(workflow: type) -> dict[str, str]:
    """Return what a class and its bases accept, with the reasons; the nearest word counts. Pure."""
    found: dict[str, str] = {}
    for owner in reversed(workflow.__mro__):
        found.update(vars(owner).get(ACCEPT, {}))
    return found


def spare(definition: Definition, found: Sequence[ChartFinding]) -> Iterator[ChartFinding]:
    """Find what a class itself accepts and is not there. Pure."""
    there = {key for one in found for key in (one.code, f"{one.code} {one.where}")}
    own: Mapping[str, str] = vars(definition.workflow).get(ACCEPT, {})
    for key in (key for key in own if key not in there):
        yield ChartFinding(
            "PD217", key, f"{definition.name} accepts {key!r}, and there is no such finding. Drop it from accept=…."
        )
