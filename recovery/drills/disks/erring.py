"""A run of I/O errors: each call of a kind fails once, and the caller does what a careful caller does.

He sends again what failed, under the same key, and of a batch only what failed. Where the engine says that it does not
know (`InDoubt`), or stops, he closes it and opens the file anew. Meanwhile he holds the engine to its word: an error
that is no `InDoubt` says that nothing happened, so neither a kill nor a power loss at that moment may bring it back.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import define, field

from persistence import InDoubt, StoreError
from recovery.drills.disks.failing import FAULTS, FailingDisk, Fault
from recovery.drills.disks.judging import judge
from recovery.drills.disks.losing import looked_at
from recovery.drills.disks.recording import RecordingDisk
from recovery.drills.disks.results import Result
from recovery.drills.disks.sending import Outcome, answer_of
from recovery.drills.disks.states import CrashStates
from recovery.drills.disks.trial import FILE, Caller, Group, Trial
from recovery.drills.disks.undisturbed import Undisturbed
from recovery.drills.judge import Finding, Kind
from recovery.drills.steps import Committed, Step
from statemachine import Refused
from statemachine.events import START

__all__ = ["fail_disk", "faults", "strike"]

TRIES_MAX = 6  # of one step: a lasting fault is mended after the second
MENDED_AFTER = 2
STATES_MAX = 4  # drawn after each error


def faults(trial: Trial, folder: Path) -> Iterator[Fault]:
    """Yield each fault that can strike a trial: every call that it makes when nothing fails, in every way."""
    with FailingDisk() as disk:
        caller = trial.open(folder / FILE, vfs=disk.name)
        for group in trial.groups:
            caller.do(group)
        caller.close()
    for kind, how in FAULTS:
        for number in range(1, disk.calls[kind] + 1):
            yield Fault(kind, how, number)
            if how != "short":
                yield Fault(kind, how, number, is_lasting=True)


def fail_disk(
    trial: Trial,
    folder: Path,
    *,
    wanted: Undisturbed,
    every: int = 1,
) -> Result:
    """Strike a trial with every fault, or with each `every`-th one. Its level is `full`."""
    result = Result(f"I/O errors, {trial.level}")
    with TemporaryDirectory(dir=folder) as name:
        known = list(faults(trial, Path(name)))
    for fault in known[::every]:
        with TemporaryDirectory(dir=folder) as name:
            strike(trial, Path(name), fault, wanted=wanted, result=result)
    result.extent = f"{result.tried} of {len(known)} faults"
    return result


def strike(trial: Trial, folder: Path, fault: Fault, *, wanted: Undisturbed, result: Result) -> None:
    """Do a trial on a disk that fails once, or until it is mended, and judge all that was said and is there."""
    with RecordingDisk(folder / FILE) as lower, FailingDisk(base=lower.name, fault=fault) as upper:
        run = _Run(trial, folder, upper, wanted=wanted, lower=lower, result=result)
        for group in trial.groups:
            run.do(group)
        run.close()
        upper.mend()
        run.check("at the end")
        result.judge(str(fault), run.findings)
        result.seen["not reached" if not upper.struck else "struck"] += 1


@define(eq=False)
class _Run:
    """One trial under one fault."""

    trial: Trial
    folder: Path
    disk: FailingDisk
    wanted: Undisturbed = field(kw_only=True)
    lower: RecordingDisk = field(kw_only=True)
    result: Result = field(kw_only=True)
    told: list[Committed] = field(factory=list[Committed], init=False)
    uncertain: set[Step] = field(factory=set[Step], init=False)  # nobody knows whether they happened
    findings: list[Finding] = field(factory=list[Finding], init=False)
    caller: Caller | None = field(default=None, init=False)
    is_short: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Remember what the disk's fault is: it forgets it when it is mended."""
        self.is_short = self.disk.fault is not None and self.disk.fault.how == "short"

    def do(self, group: Group) -> None:
        """Do the steps of a group, and again what of them failed, until each has an answer."""
        left = list(group)
        for number in range(TRIES_MAX):
            if number == MENDED_AFTER:
                self.disk.mend()
            left = self._attempt(left)
            if not left:
                return
        for step in left:
            self.findings.append(Finding(Kind.LOST, f"an answer to {step.shown}", f"none in {TRIES_MAX} tries"))

    def _attempt(self, group: Sequence[Step]) -> list[Step]:
        """Do some steps, and return those that have no answer yet."""
        outcomes: Sequence[Outcome]
        try:
            outcomes = self._opened().do(group)
        except Exception as error:  # nothing of it was queued
            outcomes = [error] * len(group)
        every = zip(group, outcomes, strict=True)
        failed = {step: outcome for step, outcome in every if not self._is_answered(step, outcome)}
        if failed:
            self._failed(failed)
        return list(failed)

    def _is_answered(self, step: Step, outcome: Outcome) -> bool:
        """Take note of what came of a step. Returns False where it is to be sent again."""
        differing = self.wanted.differing(step, answer_of(outcome))
        if isinstance(outcome, Committed):
            self.told.append(outcome)
            self.findings += differing
        if differing and not isinstance(outcome, Committed):
            return False
        self.uncertain.discard(step)
        return True

    def _failed(self, failed: Mapping[Step, Outcome]) -> None:
        """Judge what is there after errors, and close an engine that will not go on."""
        errors = {step: error for step, error in failed.items() if isinstance(error, StoreError)}
        self.result.seen.update(type(error).__name__ for error in errors.values())
        for step, error in errors.items():
            if isinstance(error, InDoubt) or step.event == START:  # what a start returns is read after its commit
                self.uncertain.add(step)
        if errors:
            self.check(f"after {next(iter(errors.values()))}")
        if any(isinstance(error, InDoubt) for error in errors.values()):
            self.close()
        for step in failed.keys() - errors.keys():
            self._uncoded(step.shown, failed[step])

    def _opened(self) -> Caller:
        if self.caller is None:
            self.caller = self.trial.open(self.folder / FILE, vfs=self.disk.name)
        return self.caller

    def _uncoded(self, during: str, found: object) -> None:
        """Whatever is no StoreError is what the run looks for.

        But a page that was read short is zeros to SQLite: what admission then refuses is refused rightly.
        """
        if self.is_short and isinstance(found, Refused):
            self.result.seen[f"refused: {found.code}"] += 1
        else:
            self.findings.append(Finding(Kind.DAMAGED, f"a StoreError in {during}", f"{type(found).__name__}: {found}"))
        self.close()

    def check(self, when: str) -> None:
        """Judge what a kill or a power loss would leave at this moment."""
        self.lower.tell(len(self.told))
        for state in CrashStates(self.lower, states_max=STATES_MAX).at_end():
            seen = looked_at(self.trial, state, beside=self.folder)
            told, uncertain = [tuple(self.told)], list(self.uncertain)
            judged = judge(seen, told, wanted=self.wanted, under_way=uncertain, is_whole=False)
            self.findings += judged
            if judged:
                self.findings.append(Finding(judged[0].kind, f"a sound file {when}", state.story))
            self.result.seen["files looked at"] += 1

    def close(self) -> None:
        """Close the engine, which may fail too, if it says so."""
        caller, self.caller = self.caller, None
        if caller is None:
            return
        try:
            caller.close()
        except StoreError as error:
            self.result.seen[f"{type(error).__name__} from close"] += 1
        except Exception as error:  # as in `do`
            self._uncoded("close", error)
