"""What a run of disasters came to: how many struck, what was seen, and the story of each that must not be."""

from collections import Counter
from collections.abc import Iterable

from attrs import define, field

from recovery.drills.judge import Finding

__all__ = ["Result"]

STORIES_MAX = 5  # kept; the rest is counted
SHOWN_MAX = 400  # characters of one thing that was expected or found


@define
class Result:
    """One run. `extent` says what of how much was tried."""

    name: str
    tried: int = 0
    bad: int = 0
    extent: str = ""
    seen: Counter[str] = field(factory=Counter[str])  # what is as it may be, and worth a number
    kinds: Counter[str] = field(factory=Counter[str])  # what must not be, by its kind
    stories: list[str] = field(factory=list[str])

    def judge(self, story: str, findings: Iterable[Finding]) -> None:
        """Count one disaster with what was found after it."""
        found = list(findings)
        self.tried += 1
        if not found:
            return
        self.bad += 1
        self.kinds.update({one.kind.name for one in found})
        if len(self.stories) < STORIES_MAX:
            lines = [f"  {one.kind.name}: expected {_cut(one.expected)}\n    found {_cut(one.found)}" for one in found]
            self.stories.append("\n".join([story, *lines]))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"
