"""What `perdure check` prints: the findings of workflow classes, for people and for programs."""

import json
from collections.abc import Mapping

import click
from attrs import asdict

from perdure.loading import workflow_class
from statemachine.errors import DefinitionError
from statemachine.findings import Judged, judged
from statemachine.workflow import definition_of

__all__ = ["as_json", "as_text", "judge"]


def judge(name: str) -> Judged:
    """Return what is found in the class `module:Class`. Raises click.UsageError for one that is not complete by itself.

    One with `strict=True` cannot be defined as it is: then what stops it is what was found.
    """
    try:
        return judged(definition_of(workflow_class(name)))
    except DefinitionError as error:
        if error.code == "PD156":
            raise click.UsageError(f"{name!r} is abstract. Name a class that derives from it.") from error
        if not error.findings:
            raise
        return Judged(error.findings, (), is_complete=True)


def as_text(results: Mapping[str, Judged], *, color: bool) -> str:
    """Return a line per finding, and one for each class. Pure."""
    lines: list[str] = []
    for name, found in results.items():
        for one in found.findings:
            code = click.style(one.code, fg="yellow", bold=True) if color else one.code
            lines.append(f"{code} {one.message}")
        lines.append(f"{name}: {_summary(found)}")
    return "\n".join(lines)


def _summary(found: Judged) -> str:
    count = len(found.findings)
    words = ["no findings" if not count else f"{count} finding{'s' if count > 1 else ''}"]
    words += [f"{len(found.accepted)} accepted"] if found.accepted else []
    words += [] if found.is_complete else ["too large to be explored: only what is written was looked at"]
    return ", ".join(words)


def as_json(results: Mapping[str, Judged]) -> str:
    """Return the same as JSON. Pure."""
    plain = [
        {
            "workflow": name,
            "findings": [asdict(one) for one in found.findings],
            "accepted": [{**asdict(one), "reason": reason} for one, reason in found.accepted],
            "complete": found.is_complete,
        }
        for name, found in results.items()
    ]
    return json.dumps(plain, indent=2, ensure_ascii=False)
