"""One rehearsal: a disturbed run and an undisturbed one, step by step, judged after each disaster and at the end.

Each step is done on the disturbed file first, under its disaster. What the caller was told, and only that, is done on
the undisturbed file too. A step that a crash struck is sent again under its key, as a caller without an answer does.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL

from recovery.drills.judge import Finding, Kind, compare, judge_answers, judge_file
from recovery.drills.matrix import Matrix
from recovery.drills.points import Disaster, Way
from recovery.drills.process import ChildError, Process
from recovery.drills.rehearsed import PlannedError
from recovery.drills.steps import Answer, Committed, Do, Opened, Raised, Step, Struck
from recovery.drills.story import Chapter, DrillError, told

__all__ = ["Rehearsal"]

REOPENED = Step("", "", b"", None, 0, shown="closed, and opened by a new process")
BESIDE = ("", "-wal", "-shm", "-anchor")  # what a dead process leaves of a file


class Rehearsal:
    """A disturbed file and an undisturbed one, and what the caller was told."""

    def __init__(self, disturbed: Process, undisturbed: Process, *, folder: Path, matrix: Matrix, name: str) -> None:
        self._disturbed = disturbed
        self._undisturbed = undisturbed
        self._folder = folder
        self._matrix = matrix
        self._name = name
        self._files = 0
        self._chapters: list[Chapter] = []
        self.acknowledged: list[Committed] = []
        self.done: list[Step] = []  # of what was acknowledged
        self._path = self._new_path()
        matrix.rehearsals += 1
        disturbed.open(str(self._path))
        undisturbed.open(str(folder / "undisturbed.db"))

    def _new_path(self) -> Path:
        self._files += 1
        return self._folder / f"disturbed-{self._files}.db"

    # -- steps ---------------------------------------------------------------------------------------------------------

    def do(self, step: Step, disaster: Disaster | None) -> Answer:
        """Do a step under a disaster, and judge what is left of it. Raises DrillError."""
        chapter = Chapter(step, disaster)
        self._chapters.append(chapter)
        heard = self._disturbed.do(Do(step, disaster))
        if isinstance(heard, Struck):
            assert disaster is not None
            chapter.has_struck = True
            answer = self._recovered(chapter, disaster, heard)
            self._matrix.disasters[disaster.way] += 1
            self._matrix.note({*heard.called, *answer.called}, disaster)
        else:
            answer = heard
            self._undisturbed_too(chapter, answer, disaster)
        chapter.answer = answer
        if isinstance(answer, Committed):
            self._acknowledge(step, answer)
        elif isinstance(answer, Raised) and answer.kind != PlannedError.__name__:
            self._matrix.note_raised(f"{step.event} raised {answer.kind}", answer.text)
        return answer

    def _undisturbed_too(self, chapter: Chapter, answer: Answer, disaster: Disaster | None) -> None:
        """Do on the other file what came to an answer without a crash; an action that raised as planned leaves none."""
        has_raised = isinstance(answer, Raised) and answer.kind == PlannedError.__name__
        chapter.has_struck = has_raised
        if has_raised:
            self._matrix.disasters[Way.RAISE] += 1
            self._matrix.note(answer.called, disaster)
            return
        raises = disaster if disaster is not None and disaster.way is Way.RAISE else None
        other = self._answer(self._undisturbed.do(Do(chapter.step, raises)))
        chapter.answer = answer
        self._check(judge_answers(answer, other, was_there=False))
        self._matrix.note(answer.called, None)

    def again(self, place: int) -> None:
        """Send an acknowledged step once more: it is answered from the record, and changes nothing."""
        step, before = self.done[place], self.acknowledged[place]
        chapter = Chapter(step, None, is_repeat=True)
        self._chapters.append(chapter)
        chapter.answer = answer = self._answer(self._disturbed.do(Do(step, None)))
        self._check(judge_answers(answer, before, was_there=True))

    def finish(self) -> None:
        """Close the file, recover it in a new process, and judge it once more."""
        self._chapters.append(Chapter(REOPENED, None))
        self._disturbed.leave()
        self._judge(self._disturbed.open(str(self._path)), in_flight=None)

    def leave(self) -> None:
        """End both processes."""
        self._disturbed.leave()
        self._undisturbed.leave()

    # -- disasters -----------------------------------------------------------------------------------------------------

    def _recovered(self, chapter: Chapter, disaster: Disaster, struck: Struck) -> Answer:
        """Let the disaster happen, recover, judge, and send the step again."""
        step, is_there = chapter.step, struck.point.is_committed
        self._crash(disaster)
        opened = self._disturbed.open(str(self._path))
        other: Answer | None = None
        if is_there:
            other = self._answer(self._undisturbed.do(Do(step, None)))
        if struck.answer is not None:
            self._acknowledge(step, struck.answer)
        self._judge(opened, in_flight=step if is_there and struck.answer is None else None)
        answer = self._answer(self._disturbed.do(Do(step, None)))
        if other is None:
            other = self._answer(self._undisturbed.do(Do(step, None)))
        chapter.answer = answer
        self._check(judge_answers(answer, other, was_there=is_there))
        return answer

    def _crash(self, disaster: Disaster) -> None:
        if disaster.way is Way.KILL:
            code = self._disturbed.died()
            if code != -SIGKILL:
                raise ChildError(f"a child of the drill ended with {code}, it was to be killed")
            return
        # The child stands still at its crash point. This process has no connection that a copy could harm.
        before, self._path = self._path, self._new_path()
        for beside in BESIDE:
            if Path(f"{before}{beside}").exists():
                shutil.copyfile(f"{before}{beside}", f"{self._path}{beside}")
        self._disturbed.drop()

    # -- judging -------------------------------------------------------------------------------------------------------

    def _acknowledge(self, step: Step, answer: Committed) -> None:
        known = {(one.instance, one.version) for one in self.acknowledged}
        if (answer.instance, answer.version) not in known:
            self.acknowledged.append(answer)
            self.done.append(step)
            self._matrix.acknowledged += 1

    def _judge(self, opened: Opened, *, in_flight: Step | None) -> None:
        findings = judge_file(opened, self.acknowledged, in_flight=in_flight)
        findings += compare(opened.once, self._undisturbed.look())
        self._check(findings)

    def _check(self, findings: Sequence[Finding]) -> None:
        if not findings:
            return
        self._matrix.lost += sum(finding.kind is Kind.LOST for finding in findings)
        self._matrix.doubled += sum(finding.kind is Kind.DOUBLED for finding in findings)
        story = told(self._name, self._chapters, findings)
        raise DrillError(story, steps=len(self._chapters), findings=findings)

    def _answer(self, heard: Answer | Struck) -> Answer:
        assert not isinstance(heard, Struck)  # no disaster was planned
        return heard
