"""The story of a failure: what was done, where it was struck, what was expected, what was found, how to repeat it."""

from collections.abc import Sequence

from attrs import define

from recovery.drills.judge import Finding
from recovery.drills.points import Disaster
from recovery.drills.steps import Answer, Committed, Raised, Refusal, Step

__all__ = ["Chapter", "DrillError", "told"]

SHOWN_MAX = 400  # characters of one thing that was expected or found; the file is at hand for the rest


@define
class Chapter:
    """One step of the story."""

    step: Step
    disaster: Disaster | None
    has_struck: bool = False
    answer: Answer | None = None
    is_repeat: bool = False


class DrillError(AssertionError):
    """A drill found something that must not be; its text is the story."""

    def __init__(self, story: str, *, steps: int, findings: Sequence[Finding]) -> None:
        super().__init__(story)
        self.steps = steps
        self.findings = tuple(findings)


def told(workflow: str, chapters: Sequence[Chapter], findings: Sequence[Finding]) -> str:
    """Return the story of a failure."""
    lines = [f"drill of {workflow}: {findings[0].kind.value}"]
    lines += [f"  {place:>3}  {_chapter(chapter)}" for place, chapter in enumerate(chapters, start=1)]
    for finding in findings:
        lines += [
            f"  {finding.kind.name}: {finding.kind.value}",
            f"    expected  {_cut(finding.expected)}",
            f"    found     {_cut(finding.found)}",
        ]
    return "\n".join(lines)


def _chapter(chapter: Chapter) -> str:
    parts = [("again: " if chapter.is_repeat else "") + chapter.step.shown]
    if chapter.disaster is not None:
        parts.append(f"{chapter.disaster}{'' if chapter.has_struck else ' (not reached)'}")
    if chapter.answer is not None:
        parts.append(_answer(chapter.answer))
    return "  ·  ".join(parts)


def _answer(answer: Answer) -> str:
    match answer:
        case Committed():
            return f"v{answer.version} {answer.after}{' (replayed)' if answer.replayed else ''}"
        case Refusal():
            return f"refused: {answer.code}"
        case Raised():
            return f"raised {answer.kind}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"
