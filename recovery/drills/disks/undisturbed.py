"""What a trial comes to when nothing goes wrong and each step is sent by itself, after any of its steps.

Nothing here is batched, so it says of batches what must come of them. The order of two instances' steps is no matter:
a trial's steps must come to the same in any, but for those of one instance.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve

from persistence import SQLiteStore
from recovery.drills.disks.sending import Outcome, answer_of
from recovery.drills.disks.trial import FILE, Trial, plain
from recovery.drills.evidence import evidence_of, tables_of
from recovery.drills.judge import Finding, Kind
from recovery.drills.steps import Answer, Committed, Evidence, Line, Raised, Refusal, Step

__all__ = ["Undisturbed", "evidence_in", "name_of"]

Name = tuple[str, str, str | None]
"""Instance, event and key: what a row and the step that made it have in common."""


def name_of(of: Step | Line) -> Name:
    """Return what a step and its row have in common. Pure."""
    return of.instance, of.event, of.key


class Undisturbed:
    """The answers of an undisturbed caller, and what stands in the file behind him.

    Raises ValueError for a trial that does not go as it says: two runs in which nothing happens would agree.
    """

    def __init__(self, trial: Trial, folder: Path) -> None:
        self._trial = evolve(trial, wrap=plain)
        self._folder = folder
        self._answers: dict[Step, Answer] = {}
        self._steps: dict[Name, Step] = {}  # those that take a version
        self._known: dict[tuple[Name, ...], Evidence | None] = {}
        every = tuple(step for group in trial.groups for step in group)
        for step, outcome in self._done(dict.fromkeys(every), Path(FILE)):
            self._answers[step] = answer_of(outcome)
            if isinstance(outcome, Committed):
                self._steps[name_of(step)] = step
            failed, wanted = _failure(self._answers[step]), trial.fails.get(step, "")
            if failed != wanted:
                told = f"{step.shown}: the trial says {wanted or 'a version'}, it came to {failed or 'a version'}"
                raise ValueError(told) from (outcome if isinstance(outcome, Exception) else None)

    def _done(self, steps: Iterable[Step], path: Path) -> Iterator[tuple[Step, Outcome]]:
        """Do steps one by one, in a file of this folder."""
        caller = self._trial.open(self._folder / path)
        try:
            for step in steps:
                (outcome,) = caller.do((step,))
                yield step, outcome
        finally:
            caller.close()

    def answer(self, step: Step) -> Answer:
        """Return what the caller was told of a step."""
        return self._answers[step]

    def happen(self, steps: Iterable[Step]) -> dict[Name, Step]:
        """Return those steps that take a version, by name."""
        return {name_of(step): step for step in steps if self._steps.get(name_of(step)) == step}

    def after(self, lines: Iterable[Line]) -> Evidence | None:
        """Return what stands in a file in which these rows are, in this order; None where no steps lead to them."""
        names = tuple(name_of(line) for line in lines)
        if names not in self._known:
            self._known[names] = self._evidence(names)
        return self._known[names]

    def _evidence(self, names: tuple[Name, ...]) -> Evidence | None:
        if not set(names) <= self._steps.keys() or len(set(names)) < len(names):
            return None
        with TemporaryDirectory(dir=self._folder) as folder:
            path = Path(folder) / FILE
            outcomes = [outcome for _, outcome in self._done([self._steps[name] for name in names], path)]
            return evidence_in(path) if all(isinstance(one, Committed) for one in outcomes) else None

    def differing(self, step: Step, answer: Answer) -> list[Finding]:
        """Return how an answer is another one than it must be. Which version it has is for the file to say."""
        wanted, found = _shown(self.answer(step)), _shown(answer)
        return [] if wanted == found else [Finding(Kind.DIFFERS, f"{step.shown}: {wanted}", found)]


def _failure(answer: Answer) -> str:
    """Return how a step failed, in a word; nothing where it did not. Pure."""
    match answer:
        case Committed():
            return ""
        case Refusal():
            return answer.code
        case Raised():
            return answer.kind


def evidence_in(path: Path) -> Evidence:
    """Return what stands in a file, which is only read."""
    store = SQLiteStore(path, read_only=True)
    try:
        return evidence_of(store, observed=tables_of(str(path)))
    finally:
        store.close()


def _shown(answer: Answer) -> str:
    match answer:
        case Committed():
            return f"{answer.instance}: {answer.event} -> {answer.after}, key {answer.key!r}"
        case Refusal() | Raised():
            return _failure(answer)
