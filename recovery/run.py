"""The doors of recovery: facts, then verdict, then resume, then report, over a whole store.

`verify` only reads. `recover` also writes, and only where something is repaired or must be set aside: one transaction
per instance, which looks again before it writes and does nothing if the instance has moved on. Running it twice changes
nothing the second time. Where the anchor tells of a lost tail nothing is written at all, until `accept_tail_loss`.

`open` sweeps only after an unclean close, and only a bounded number of heads: what a crash can hurt are the pages that
were being written, so it looks at those written last. What it leaves is judged when it is loaded, as ever.

Nor is anything written into a file whose pages SQLite itself finds damaged: a page that is taken for free, or has two
owners, would be overwritten, and what stands sound in it lost. Asking costs a look at every page, so level `heads` asks
only before it repairs. Values that do not fit their columns are damage of one row, and no reason to write nothing.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Any

from attrs import evolve, frozen

from persistence import CannotOpen, Conflict, Corrupt, NotFound, SQLiteStore, Store
from recovery.facts import InstanceFacts, View, facts_of, instance_facts
from recovery.report import Finding, RecoveryReport
from recovery.resume import mend, resume
from recovery.verdict import judge
from statemachine import Engine, Limits, Verdict, Workflow
from statemachine.admission import Judgement
from statemachine.definition import Definition
from statemachine.workflow import definition_of

__all__ = ["accept_tail_loss", "open", "recover", "verify"]

Path = str | os.PathLike[str]
SWEPT_MAX = 256  # heads judged after an unclean close, in some 20 ms: more than one commit has, and a small store whole
Progress = Callable[[int, int], None]
"""Called with how many instances are done, and of how many."""

MALFORMED = (
    "its pages are damaged, so recovery writes nothing into it: keep a copy of it with its -wal, and restore a backup; "
    "where there is none, .recover of the sqlite3 shell makes a file of what can be read, for perdure verify to judge"
)


def verify(
    path: Path, *workflows: type[Workflow[Any]], anchor: Path | None = None, progress: Progress | None = None
) -> RecoveryReport:
    """Check every chain, image, configuration, key and seal of a store, and its anchor. Reads only.

    An instance whose class is not given is judged without its data (`NOT READ`). Raises StoreError children.
    """
    _check_path(path)
    store = SQLiteStore(path, anchor=anchor, read_only=True)
    try:
        return _survey(store, _definitions(workflows), full=True, progress=progress).report(store, os.fspath(path))
    finally:
        store.close()


def accept_tail_loss(path: Path, *, anchor: Path | None = None) -> tuple[str, ...]:
    """Accept that what the anchor tells of and the file does not hold is lost; return what was found, and done.

    A copy of the log is saved beside the file first. Then the store's epoch is raised and every slot of the anchor is
    written anew, so that what was lost and what comes after it can never be taken for each other. It accepts a missing
    anchor too, where `anchor` names it; where nothing is lost it does nothing. Durable on return. Raises StoreError
    children.
    """
    _check_path(path)
    store, is_malformed = _look(path, anchor, full=True)
    store.close()
    if is_malformed:
        raise Corrupt(f"{os.fspath(path)}: {MALFORMED}")
    store = SQLiteStore(path, anchor=anchor, accepts_loss=True)
    store.close()
    return store.facts.notes


def _look(path: Path, anchor: Path | None, *, full: bool) -> tuple[SQLiteStore, bool]:
    """Open a store for reading, and say whether its pages are damaged, if every one is looked at.

    What is no store is refused: opened for writing, it would become one.
    """
    if not os.path.exists(path):  # noqa: PTH110  # takes any PathLike
        raise NotFound(f"{os.fspath(path)}: there is no such file; check the path")
    store = SQLiteStore(path, anchor=anchor, read_only=True)
    try:
        with store.reader() as reader:
            return store, full and bool(reader.malformed())
    except BaseException:
        store.close()
        raise


def _opened(path: Path, anchor: Path | None, *, full: bool) -> SQLiteStore:
    """Open a store to repair it; where its pages are damaged, for reading: not even an open mark is written."""
    store, is_malformed = _look(path, anchor, full=full)
    if is_malformed:
        return store
    store.close()
    return SQLiteStore(path, anchor=anchor)


def recover(
    path: "Path | Store",
    *workflows: type[Workflow[Any]],
    level: str = "heads",
    anchor: Path | None = None,
    progress: Progress | None = None,
) -> RecoveryReport:
    """Judge the live heads (`heads`) or every chain (`full`) of a store; repair what is proven, set aside what is not.

    A head that disagrees with its sound journal is rebuilt, a damaged newest row is set aside where its head is proven
    without it, and each repair is a transition of its own. Everything else stays usable. Durable on return. Safe beside
    live writers. Where SQLite finds the file's pages damaged nothing is written, and the report says so (`malformed`).
    A file without a store in it is refused. Raises StoreError children, and ValueError for an unknown level.
    """
    if level not in {"heads", "full"}:
        raise ValueError(f"level {level!r} is unknown; use 'heads' or 'full'")
    _check_path(path)
    is_full = level == "full"
    store: Store = _opened(path, anchor, full=is_full) if isinstance(path, (str, os.PathLike)) else path
    try:
        report = _recover(store, _definitions(workflows), _name_of(path), full=is_full, progress=progress)
        if not report.malformed:
            store.settle()
        return report
    finally:
        if store is not path:
            store.close()


def _recover(
    store: Store, definitions: Mapping[str, Definition], name: str, *, full: bool, progress: Progress | None
) -> RecoveryReport:
    found = _survey(store, definitions, full=full, progress=progress)
    if found.malformed:
        return found.report(store, name)
    repairs, failed = _repair(store, found)
    verdicts = {facts.instance: judgement for facts, judgement in found.judged}
    repaired = {
        instance: (verdicts[instance], done)
        for instance, done in repairs.items()
        if done and verdicts[instance].verdict is not Verdict.QUARANTINED
    }
    if repaired:
        # Seal, versions and hashes are those after the repairs; and a rebuilt head may fit its class no longer.
        found = _survey(store, definitions, full=full, told=repaired)
    mended, not_mended = _mend_checkpoints(store, found)
    if mended:
        found = _survey(store, definitions, full=full, told=repaired)
    report = found.report(store, name)
    instances = tuple(_repaired(one, repaired) for one in report.instances)
    return evolve(
        report, instances=instances, store=(*report.store, *failed, *not_mended), notes=(*report.notes, *mended)
    )


def _repair(store: Store, found: "_Survey") -> tuple[dict[str, str], list[str]]:
    """Repair what is due; return what was done by instance, and which repairs could not be done."""
    done, failed = dict[str, str](), list[str]()
    if store.facts.barred is not None:
        return done, failed
    for facts in found.due():
        try:
            done[facts.instance] = resume(store, found.view, facts, time=time.time_ns() // 1000)
        except (Conflict, Corrupt) as error:  # damage that the verdict does not know of costs only this instance
            failed.append(f"the repair of {facts.instance!r} could not be done, nothing of it was written: {error}")
    return done, failed


def _mend_checkpoints(store: Store, found: "_Survey") -> tuple[list[str], list[str]]:
    """Derive damaged checkpoints again where their journal says what they were; return what was done, and what not."""
    done, failed = list[str](), list[str]()
    if store.facts.barred is not None:
        return done, failed
    for facts, _ in found.judged:
        if not any(one.proven for one in facts.checkpoints):
            continue
        try:
            with store.transaction() as transaction, store.reader() as reader:
                again = instance_facts(found.view.again(reader), facts.instance)
                if again is None or again.checkpoints != facts.checkpoints:
                    continue  # somebody else was here
                mended = [one for one in again.checkpoints if mend(transaction, one, time=time.time_ns() // 1000)]
                transaction.commit()
                done += [one.repaired for one in mended]
        except (Conflict, Corrupt) as error:
            failed.append(f"no checkpoint of {facts.instance!r} could be derived again, nothing was written: {error}")
    return done, failed


def _repaired(finding: Finding, repaired: Mapping[str, tuple[Judgement, str]]) -> Finding:
    """Say of a finding how it came about, where that was a repair."""
    if finding.instance not in repaired:
        return finding
    judgement, done = repaired[finding.instance]
    if finding.is_bad:
        return evolve(finding, repair=f"{done} ({judgement.reason})")
    return evolve(finding, verdict=judgement.verdict.value, reason=judgement.reason, repair=done)


def open(  # noqa: A001  # recovery.open is the design's name, beside the built-in one
    path: "Path | Store",
    *workflows: type[Workflow[Any]],
    schema: str | None = None,
    durability: str | None = None,
    anchor: Path | None = None,
    clock: Callable[[], int] | None = None,
    limits: Limits | None = None,
) -> Engine:
    """Open a store, look at what was written last if it was not closed cleanly, and return an engine on it.

    This costs what is due, not what is stored: each instance is judged at its first load anyway. Of more than 256
    instances only those are looked at here, and repaired, that the 256 newest rows are of; `recover` looks at all.
    `path` is an SQLite file, or a Store that is open already (`schema`, `durability` and `anchor` are its own affair).
    Raises StoreError children, DefinitionError; Corrupt where something is to be repaired in a file whose pages are
    damaged: what would be written into it might be lost, and sound pages with it.
    """
    _check_path(path)
    if isinstance(path, (str, os.PathLike)):
        store: Store = SQLiteStore(path, level=durability, schema=schema, anchor=anchor)
    else:
        store = path
    try:
        _sweep(store, workflows, name=_name_of(path))
        return Engine(store, *workflows, clock=clock, limits=limits)
    except BaseException:
        store.close()
        raise


def _sweep(store: Store, workflows: Iterable[type[Workflow[Any]]], *, name: str) -> None:
    """Repair what was written last, where the store was not closed cleanly. Raises Corrupt where it may not be."""
    if not store.facts.unclean:
        return
    found = _survey(store, _definitions(workflows), full=False, most=SWEPT_MAX)
    if found.malformed:
        raise Corrupt(f"{name}: {MALFORMED}")
    _repair(store, found)
    store.settle()


def _name_of(path: "Path | Store") -> str:
    return os.fspath(path) if isinstance(path, (str, os.PathLike)) else "store"


def _check_path(path: object) -> None:
    """Raise CannotOpen for what is neither a path nor a store."""
    if not isinstance(path, (str, os.PathLike)) and not hasattr(path, "transaction"):
        raise CannotOpen(f"{path!r} is neither a path nor a Store; give the name of the file")


def _definitions(workflows: Iterable[type[Workflow[Any]]]) -> dict[str, Definition]:
    found = [definition_of(workflow) for workflow in workflows]
    return {definition.name: definition for definition in found}


@frozen
class _Survey:
    """What one pass over a store found."""

    view: View  # its reader is closed; what it remembers holds
    judged: tuple[tuple[InstanceFacts, Judgement], ...]
    damage: tuple[str, ...]
    malformed: bool

    def due(self) -> list[InstanceFacts]:
        """Return the instances that a repair, or a mark, is due to."""
        return _due(self.judged)

    def report(self, store: Store, path: str) -> RecoveryReport:
        full = self.view.full
        return RecoveryReport(
            path=path,
            level="full" if full else "heads",
            store_id=store.facts.store_id,
            rows=self.view.lane.rows if full else 0,
            seal=self.view.lane.seal.hex() if full else "",
            instances=tuple(_finding(facts, judgement) for facts, judgement in self.judged),
            store=(*filter(None, (store.facts.barred,)), *self.damage),
            notes=store.facts.notes,
            malformed=self.malformed,
        )


def _survey(
    store: Store,
    definitions: Mapping[str, Definition],
    *,
    full: bool,
    progress: Progress | None = None,
    told: Collection[str] = (),
    most: int | None = None,
) -> _Survey:
    """Gather and judge the facts of every instance, in one read view; of more than `most`, of those written last.

    Sound instances that have ended are left out at level `heads`, but for those in `told`.
    """
    found: list[tuple[int, InstanceFacts, Judgement]] = []
    with store.reader() as reader:
        view = View(reader, definitions=definitions, full=full, has_sql=store.capabilities.sql)
        instances, owned = list(islice(reader.instances(), None if most is None else most + 1)), 0
        if most is not None and len(instances) > most:
            instances = reader.newest(most)
        for place, facts in facts_of(view, instances, progress=progress):
            owned += facts.rows
            judgement = judge(facts)
            if full or facts.outcome is None or not judgement.is_usable or facts.instance in told:
                found.append((place, facts, judgement))
        judged = [(facts, judgement) for _, facts, judgement in sorted(found, key=lambda one: one[0])]
        malformed = reader.malformed() if full or _due(judged) else []
        damage = [*reader.damage(), *_lane_damage(view, owned), *_damaged_definitions(view)] if full else [*malformed]
        damage += [str(one) for facts, _ in judged for one in facts.checkpoints]
        damage += [MALFORMED] if malformed else []
        return _Survey(view, tuple(judged), tuple(damage), bool(malformed))


def _due(judged: Iterable[tuple[InstanceFacts, Judgement]]) -> list[InstanceFacts]:
    due = {Verdict.QUARANTINED, Verdict.REBUILT, Verdict.KEPT_AT_HEAD}
    return [facts for facts, judgement in judged if judgement.verdict in due and facts.head.mark is None]


def _lane_damage(view: View, owned: int) -> list[str]:
    lane = view.lane
    if owned == lane.rows:
        return list(lane.broken)
    return [*lane.broken, f"{lane.rows} rows were committed, the instances that can be read have {owned} of them"]


def _damaged_definitions(view: View) -> list[str]:
    """Return what is wrong with definitions that nobody misses while their class is given."""
    found: list[str] = []
    for definition in view.definitions.values():
        try:
            text = view.reader.definition(definition.fingerprint)
        except Corrupt:
            text = ""
        if text is not None and text != definition.chart.text:
            name = definition.name
            found.append(f"the definition of {name} is damaged in the store; the class that was given has it")
    return found


def _finding(facts: InstanceFacts, judgement: Judgement) -> Finding:
    is_set_aside = judgement.verdict is Verdict.QUARANTINED
    return Finding(
        instance=facts.instance,
        workflow=facts.workflow,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        version=facts.version,
        sound_version=facts.sound_version,
        hash=facts.hash.hex(),
        loses=facts.loses if is_set_aside else (),
    )
