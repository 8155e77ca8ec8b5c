"""The doors of recovery: facts, then verdict, then resume, then report, over a whole store.

`verify` only reads. `recover` also writes, and only where something must be set aside: one transaction per instance,
which looks again before it writes and does nothing if the instance has moved on. Running it twice changes nothing the
second time.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from persistence import NotFound, Quarantine, SQLiteStore, Store
from recovery.facts import InstanceFacts, LaneFacts, instance_facts, lane_facts
from recovery.report import Finding, RecoveryReport
from recovery.verdict import judge
from statemachine import Engine, Limits, Verdict, Workflow
from statemachine.admission import Judgement
from statemachine.definition import Definition
from statemachine.workflow import definition_of

__all__ = ["open", "recover", "verify"]

Path = str | os.PathLike[str]
Progress = Callable[[int, int], None]
"""Called with how many instances are done, and of how many."""


def verify(path: Path, *workflows: type[Workflow[Any]], progress: Progress | None = None) -> RecoveryReport:
    """Check every chain, image, configuration, key and seal of a store. Reads only.

    An instance whose class is not given is judged without its data (`NOT READ`). Raises StoreError children.
    """
    store = SQLiteStore(path, read_only=True)
    try:
        return _report(store, os.fspath(path), workflows, level="full", progress=progress)
    finally:
        store.close()


def recover(
    path: "Path | Store", *workflows: type[Workflow[Any]], level: str = "heads", progress: Progress | None = None
) -> RecoveryReport:
    """Judge the live heads (`heads`) or every chain (`full`) of a store, and set aside what is damaged.

    Everything else stays usable. Durable on return. Safe beside live writers. Raises StoreError children, and
    ValueError for an unknown level.
    """
    if level not in {"heads", "full"}:
        raise ValueError(f"level {level!r} is unknown; use 'heads' or 'full'")
    if isinstance(path, (str, os.PathLike)):
        if not os.path.exists(path):  # noqa: PTH110  # takes any PathLike
            raise NotFound(f"{os.fspath(path)}: there is no such file; check the path")
        store: Store = SQLiteStore(path)
    else:
        store = path
    try:
        name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else "store"
        report = _report(store, name, workflows, level=level, progress=progress)
        definitions = _definitions(workflows)
        for finding in report.instances:
            if finding.verdict == Verdict.QUARANTINED.value:
                _set_aside(store, finding, definitions, full=level == "full")
        store.settle()
        return report
    finally:
        if store is not path:
            store.close()


def open(  # noqa: A001  # recovery.open is the design's name, beside the built-in one
    path: "Path | Store",
    *workflows: type[Workflow[Any]],
    schema: str | None = None,
    durability: str | None = None,
    clock: Callable[[], int] | None = None,
    limits: Limits | None = None,
) -> Engine:
    """Open a store, check it if it was not closed cleanly, and return an engine on it.

    After a clean close this costs what is due, not what is stored: each instance is judged at its first load anyway.
    `path` is an SQLite file, or a Store that is open already (`schema` and `durability` are then its own affair).
    Raises StoreError children, DefinitionError.
    """
    if isinstance(path, (str, os.PathLike)):
        store: Store = SQLiteStore(path, level=durability, schema=schema)
    else:
        store = path
    try:
        if store.facts.unclean:
            recover(store, *workflows)
        return Engine(store, *workflows, clock=clock, limits=limits)
    except BaseException:
        store.close()
        raise


def _definitions(workflows: Iterable[type[Workflow[Any]]]) -> dict[str, Definition]:
    found = [definition_of(workflow) for workflow in workflows]
    return {definition.name: definition for definition in found}


def _report(
    store: Store, path: str, workflows: Iterable[type[Workflow[Any]]], *, level: str, progress: Progress | None
) -> RecoveryReport:
    definitions = _definitions(workflows)
    findings: list[Finding] = []
    lane, chained = LaneFacts(0, 0, b""), 0
    has_sql = store.capabilities.sql
    with store.reader() as reader:
        instances = list(reader.instances())
        for done, instance in enumerate(instances):
            facts = instance_facts(reader, instance, definitions=definitions, full=level == "full", has_sql=has_sql)
            chained += 0 if facts is None else facts.rows
            if facts is not None and (level == "full" or facts.outcome is None):
                findings.append(_finding(facts, judge(facts)))
            if progress is not None:
                progress(done + 1, len(instances))
        if level == "full":
            lane = lane_facts(reader, chained=chained)
    return RecoveryReport(
        path=path,
        level=level,
        store_id=store.facts.store_id,
        rows=lane.rows,
        seal=lane.seal.hex(),
        instances=tuple(findings),
        store=lane.broken,
    )


def _finding(facts: InstanceFacts, judgement: Judgement) -> Finding:
    return Finding(
        instance=facts.instance,
        workflow=facts.workflow,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        version=facts.version,
        sound_version=facts.sound_version,
        hash=facts.hash.hex(),
    )


def _set_aside(store: Store, finding: Finding, definitions: dict[str, Definition], *, full: bool) -> None:
    """Mark one instance, if what was found is still so. A mark that stands is kept."""
    with store.transaction() as transaction, store.reader() as reader:
        facts = instance_facts(
            reader, finding.instance, definitions=definitions, full=full, has_sql=store.capabilities.sql
        )
        if facts is None or facts.head.mark is not None or facts.hash.hex() != finding.hash:
            return
        judgement = judge(facts)
        if judgement.verdict is Verdict.QUARANTINED:
            mark = Quarantine(finding.instance, judgement.reason, facts.sound_version, time.time_ns() // 1000)
            transaction.quarantine(mark)
            transaction.commit()
