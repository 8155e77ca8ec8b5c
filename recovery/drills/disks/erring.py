"""A run of I/O errors: each call of a kind fails once, and the caller does what a careful caller does.

He sends again what failed, under the same key. Where the engine says that it does not know (`InDoubt`), or stops, he
closes it and opens the file anew. Meanwhile he holds the engine to its word: an error that is no `InDoubt` says that
nothing happened, so neither a kill nor a power loss at that moment may bring it back.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import define, field

from persistence import InDoubt, StoreError
from recovery.drills.disks.failing import FAULTS, FailingDisk, Fault
from recovery.drills.disks.losing import looked_at
from recovery.drills.disks.recording import RecordingDisk
from recovery.drills.disks.results import Progress, Result
from recovery.drills.disks.states import CrashStates
from recovery.drills.disks.trial import FILE, Caller, Trial, judge
from recovery.drills.judge import Finding, Kind
from recovery.drills.steps import Committed, Evidence, Step
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
        for step in trial.steps:
            caller.do(step)
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
    wanted: Sequence[Evidence],
    every: int = 1,
    progress: Progress | None = None,
) -> Result:
    """Strike a trial with every fault, or with each `every`-th one."""
    result = Result(f"I/O errors, {trial.level}")
    with TemporaryDirectory(dir=folder) as name:
        known = list(faults(trial, Path(name)))
    for fault in known[::every]:
        with TemporaryDirectory(dir=folder) as name:
            strike(trial, Path(name), fault, wanted=wanted, result=result)
        if progress is not None:
            progress(result.tried)
    result.extent = f"{result.tried} of {len(known)} faults"
    return result


def strike(trial: Trial, folder: Path, fault: Fault, *, wanted: Sequence[Evidence], result: Result) -> None:
    """Do a trial on a disk that fails once, or until it is mended, and judge all that was said and is there."""
    with RecordingDisk(folder / FILE) as lower, FailingDisk(base=lower.name, fault=fault) as upper:
        run = _Run(trial, folder, upper, wanted=wanted, lower=lower, result=result)
        for step in trial.steps:
            run.do(step)
        run.close()
        upper.mend()
        run.check("at the end", is_certain=True)
        result.judge(str(fault), run.findings)
        result.seen["not reached" if not upper.struck else "struck"] += 1


@define(eq=False)
class _Run:
    """One trial under one fault."""

    trial: Trial
    folder: Path
    disk: FailingDisk
    wanted: Sequence[Evidence] = field(kw_only=True)
    lower: RecordingDisk = field(kw_only=True)
    result: Result = field(kw_only=True)
    told: list[Committed] = field(factory=list[Committed], init=False)
    findings: list[Finding] = field(factory=list[Finding], init=False)
    caller: Caller | None = field(default=None, init=False)
    is_short: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Remember what the disk's fault is: it forgets it when it is mended."""
        self.is_short = self.disk.fault is not None and self.disk.fault.how == "short"

    def do(self, step: Step) -> None:
        """Do a step, again and again until there is an answer."""
        is_certain = step.event != START  # that it has not happened yet; what a start returns is read after its commit
        for number in range(TRIES_MAX):
            if number == MENDED_AFTER:
                self.disk.mend()
            try:
                self.told.append(self._opened().do(step))
                break
            except StoreError as error:
                is_certain = is_certain and not isinstance(error, InDoubt)
                self._heard(error, is_certain=is_certain)
            except Refused as refused:
                self._refused(step.shown, refused)
            except Exception as error:  # whatever is no StoreError is what the run looks for
                self._uncoded(step.shown, error)
        else:
            self.findings.append(Finding(Kind.LOST, f"an answer to {step.shown}", f"none in {TRIES_MAX} tries"))

    def _opened(self) -> Caller:
        if self.caller is None:
            self.caller = self.trial.open(self.folder / FILE, vfs=self.disk.name)
        return self.caller

    def _heard(self, error: StoreError, *, is_certain: bool) -> None:
        self.result.seen[f"{type(error).__name__}"] += 1
        self.check(f"after {error}", is_certain=is_certain)
        if isinstance(error, InDoubt):  # it will not go on
            self.close()

    def _refused(self, during: str, refused: Refused) -> None:
        """A page that was read short is zeros to SQLite: what admission then refuses is refused rightly."""
        if self.is_short:
            self.result.seen[f"refused: {refused.code}"] += 1
            self.close()
        else:
            self._uncoded(during, refused)

    def _uncoded(self, during: str, error: Exception) -> None:
        self.findings.append(Finding(Kind.DAMAGED, f"a StoreError in {during}", f"{type(error).__name__}: {error}"))
        self.close()

    def check(self, when: str, *, is_certain: bool) -> None:
        """Judge what a kill or a power loss would leave at this moment."""
        self.lower.tell(len(self.told))
        for state in CrashStates(self.lower, states_max=STATES_MAX).at_end():
            seen = looked_at(self.trial, state, beside=self.folder)
            judged = judge(self.trial, seen, self.told, wanted=self.wanted, is_certain=is_certain, has_lost_power=True)
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
