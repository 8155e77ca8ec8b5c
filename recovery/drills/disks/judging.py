"""The verdict on the files that a disaster leaves.

The caller keeps the only list that the judge believes. A file is good if and only if it opens, a first full recovery
finds nothing to repair and a second one finds the same, it holds every transition that the caller was told of, beside
them at most the group that was under way, whole or not at all, and its rows, heads and user tables are those of a run
in which just these steps were done, one by one. Who hears anything of a group, a refusal included, may rely on all of
it. At the level `normal` a power loss may cost the newest groups, and nothing else.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import recovery
from persistence import SQLiteStore, StoreError
from recovery.drills.disks.trial import Trial
from recovery.drills.disks.undisturbed import Undisturbed, name_of
from recovery.drills.evidence import evidence_of, tables_of
from recovery.drills.judge import Finding, Kind, compare, judge_file
from recovery.drills.steps import Committed, Evidence, Line, Opened, Step

__all__ = ["Told", "judge", "kept", "look", "rows_told"]

GOOD = "CLEAN"

Told = tuple[Committed, ...]
"""What a caller was told of one group, but for what took no version."""


def look(trial: Trial, path: Path) -> Opened | Finding:
    """Open a file, recover it twice and return what stands in it; a finding if it does not open. Changes the file."""
    try:
        store = SQLiteStore(path, level=trial.level, schema=trial.schema)
        try:
            first = recovery.recover(store, trial.workflow, level="full")
            damage = [f"{one.instance} {one.verdict} {one.reason}" for one in first.instances if one.verdict != GOOD]
            once = _evidence(store, path)
            second = recovery.recover(store, trial.workflow, level="full")
            differs = "" if first == second else f"first {first.to_json()}\nthen {second.to_json()}"
            return Opened((*damage, *first.store), once, _evidence(store, path), differs)
        finally:
            store.close()
    except StoreError as error:
        return Finding(Kind.DAMAGED, "a file that opens", str(error))


def _evidence(store: SQLiteStore, path: Path) -> Evidence:
    return evidence_of(store, observed=tables_of(str(path)))


def judge(
    seen: Opened | Finding,
    told: Iterable[Told],
    *,
    wanted: Undisturbed,
    under_way: Sequence[Step] = (),
    is_whole: bool = True,
    is_answered: bool = False,
) -> list[Finding]:
    """Return what must not be in a file. Pure, but that `wanted` does steps that it has not done yet.

    `under_way` are the steps of which nobody was told whether they happened: either all or none of them did, or any of
    them where they are not one batch (`is_whole`). `is_answered`: somebody of that batch was answered, so all did.
    """
    if isinstance(seen, Finding):
        return [seen]
    known = rows_told(told)
    there, missing = _appeared(seen.once, wanted, under_way)
    found = [_torn(there, missing)] if missing and (is_answered or (there and is_whole)) else []
    found += judge_file(seen, [*known, *there], in_flight=None)
    evidence = wanted.after(seen.once.lines)
    if evidence is None:
        rows = "; ".join(f"{line.instance} v{line.version} {line.event} {line.key}" for line in seen.once.lines)
        return [*found, Finding(Kind.DIFFERS, "steps of the trial, each once, in an order that can be", rows)]
    return [*found, *compare(seen.once, evidence)]


def rows_told(told: Iterable[Told]) -> list[Committed]:
    """Return each transition that a caller was told of once, in the order of the answers. Pure."""
    return list({(one.instance, one.version): one for group in told for one in group}.values())


def _appeared(evidence: Evidence, wanted: Undisturbed, under_way: Sequence[Step]) -> tuple[list[Committed], list[Step]]:
    """Return the rows of what was under way, as if they had been told, and the steps that have none."""
    steps = wanted.happen(under_way)
    lines = {name_of(line): line for line in evidence.lines}
    there = [_as_told(lines[name]) for name in steps if name in lines]
    return there, [step for name, step in steps.items() if name not in lines]


def _as_told(line: Line) -> Committed:
    return Committed(line.instance, line.version, line.event, line.after, line.key, line.hash)


def _torn(there: Sequence[Committed], missing: Sequence[Step]) -> Finding:
    kind = Kind.LEFT_BEHIND if there else Kind.LOST
    found = f"{len(there)} of its rows, but not that of {'; '.join(step.shown for step in missing)}"
    return Finding(kind, "the batch that was under way whole, or not at all and then nobody answered", found)


def kept(told: Sequence[Told], seen: Opened | Finding) -> Sequence[Told]:
    """Return the groups before the first one of which anything is missing: what `normal` may lose is a tail. Pure."""
    if isinstance(seen, Finding):
        return told
    there = {(line.instance, line.version) for line in seen.once.lines}
    whole = [all((one.instance, one.version) in there for one in group) for group in told]
    return told[: whole.index(False)] if False in whole else told
