"""Was anything lost, left behind or done twice? Judged from what the caller was told and what the files hold. Pure.

What must hold after each disaster, and what it is called where it does not:
  (1) each acknowledged transition is in the file, under its version and with its hash                       LOST
  (2) beside them stands at most the step in flight: all of it if the disaster came after COMMIT, else none  LEFT BEHIND
  (3) each key is in one row                                                                                 DOUBLED
  (4) a dead process leaves nothing to repair: chains, seals, heads and invariants hold                      DAMAGED
  (5) rows, heads, offers and the user's tables are those of the undisturbed run                             DIFFERS
  (6) recovery twice is recovery once                                                                        UNSTABLE
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from attrs import asdict, evolve, frozen

from recovery.drills.steps import Answer, Committed, Evidence, Line, Observed, Opened, Raised, Refusal, Row, Step

__all__ = ["Finding", "Kind", "compare", "judge_answers", "judge_file"]


class Kind(Enum):
    """What a finding says."""

    LOST = "an acknowledged transition is lost"
    LEFT_BEHIND = "a step that was not acknowledged is not as its crash point says"
    DOUBLED = "a key was applied twice"
    DAMAGED = "a dead process left something to repair"
    DIFFERS = "it is not what the undisturbed run came to"
    UNSTABLE = "a second recovery did not find what the first one left"


@frozen
class Finding:
    """One thing that must not be."""

    kind: Kind
    expected: str
    found: str


def judge_file(opened: Opened, told: Sequence[Committed], *, in_flight: Step | None) -> list[Finding]:
    """Return what must not be in a file that was recovered. `in_flight` is a step that must be there untold. Pure."""
    found = [Finding(Kind.DAMAGED, "nothing to repair", one) for one in opened.damage]
    found += _lost(opened.once, told)
    found += _left_behind(opened.once, told, in_flight)
    found += _doubled(opened.once)
    if opened.differs or opened.once != opened.twice:
        found.append(Finding(Kind.UNSTABLE, "the same once more", opened.differs or "other rows or tables"))
    return found


def _lost(evidence: Evidence, told: Sequence[Committed]) -> Iterator[Finding]:
    lines = {(line.instance, line.version): line for line in evidence.lines}
    for one in told:
        line = lines.get((one.instance, one.version))
        if line is None or (line.hash, line.event, line.key, line.after) != (one.hash, one.event, one.key, one.after):
            name = f"{one.instance} v{one.version} {one.event}"
            found = "nothing" if line is None else f"{line.event} with key {line.key!r}, {line.hash[:12]}"
            yield Finding(Kind.LOST, f"{name} with key {one.key!r}, {one.hash[:12]}", found)


def _left_behind(evidence: Evidence, told: Sequence[Committed], in_flight: Step | None) -> Iterator[Finding]:
    known = {(one.instance, one.version) for one in told}
    more = [line for line in evidence.lines if (line.instance, line.version) not in known]
    wanted = [] if in_flight is None else [(in_flight.instance, in_flight.event, in_flight.key)]
    if [(line.instance, line.event, line.key) for line in more] != wanted:
        expected = "no row that nobody was told of" if in_flight is None else f"the row of {in_flight.shown}"
        shown = "; ".join(f"{line.instance} v{line.version} {line.event}" for line in more)
        yield Finding(Kind.LEFT_BEHIND, expected, shown or "no such row")


def _doubled(evidence: Evidence) -> Iterator[Finding]:
    keys = Counter((line.instance, line.key) for line in evidence.lines if line.key is not None)
    for (instance, key), count in keys.items():
        if count > 1:
            yield Finding(Kind.DOUBLED, f"{instance}: key {key!r} in one row", f"it is in {count}")


def compare(disturbed: Evidence, undisturbed: Evidence) -> list[Finding]:
    """Return where a file differs from that of the undisturbed run; hashes hold each file's secret. Pure."""
    found: list[Finding] = []
    ours, theirs = (tuple(_without_hash(line) for line in one.lines) for one in (disturbed, undisturbed))
    for line, wanted in zip(ours, theirs, strict=False):
        if line != wanted:
            found.append(Finding(Kind.DIFFERS, _where(wanted, line), _where(line, wanted)))
            break
    if not found and len(ours) != len(theirs):
        found.append(Finding(Kind.DIFFERS, f"{len(theirs)} rows", f"{len(ours)} rows"))
    if not found and disturbed.heads != undisturbed.heads:
        wanted_heads, heads = _only(undisturbed.heads, disturbed.heads)
        found.append(Finding(Kind.DIFFERS, f"heads {wanted_heads}", f"heads {heads}"))
    if not found and disturbed.enabled != undisturbed.enabled:
        wanted_offers, offers = _only(undisturbed.enabled, disturbed.enabled)
        found.append(Finding(Kind.DIFFERS, f"offers {wanted_offers}", f"offers {offers}"))
    if disturbed.observed != undisturbed.observed:
        wanted_rows, rows = _differing(undisturbed.observed, disturbed.observed)
        found.append(Finding(Kind.DIFFERS, f"the user's rows {wanted_rows}", f"the user's rows {rows}"))
    return found


def _without_hash(line: Line) -> Line:
    return evolve(line, hash="")


def _where(line: Line, other: Line) -> str:
    """Return what a line says where another says something else. Pure."""
    said = {name: value for name, value in asdict(line).items() if value != getattr(other, name)}
    shown = (f"{name} {value.decode() if isinstance(value, bytes) else value}" for name, value in said.items())
    return f"{line.instance} v{line.version} {line.event}: {', '.join(shown)}"


def _only(wanted: Sequence[object], found: Sequence[object]) -> tuple[object, object]:
    """Return what stands in one of both only. Pure."""
    return tuple(one for one in wanted if one not in found), tuple(one for one in found if one not in wanted)


def _differing(wanted: Observed, found: Observed) -> tuple[object, object]:
    """Return the tables that differ, without the rows that both have; None for a table that is not there. Pure."""
    if isinstance(wanted, str) or isinstance(found, str):
        return wanted, found
    names = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    return {name: _more(wanted, found, name) for name in names}, {name: _more(found, wanted, name) for name in names}


def _more(one: Mapping[str, list[Row]], other: Mapping[str, list[Row]], name: str) -> list[Row] | None:
    return list((Counter(one[name]) - Counter(other.get(name, []))).elements()) if name in one else None


def judge_answers(disturbed: Answer, undisturbed: Answer, *, was_there: bool) -> list[Finding]:
    """Return how the answer to a step differs from the undisturbed run's. Pure.

    `was_there`: it had been committed before it was sent again, and must be answered from the record.
    """
    found: list[Finding] = []
    if _shown(disturbed) != _shown(undisturbed):
        found.append(Finding(Kind.DIFFERS, _shown(undisturbed), _shown(disturbed)))
    if isinstance(disturbed, Committed) and disturbed.key is not None and disturbed.replayed is not was_there:
        expected = "the answer on record" if was_there else "to be run once"
        found.append(Finding(Kind.DOUBLED, expected, "run again" if was_there else "replayed"))
    return found


def _shown(answer: Answer) -> str:
    match answer:
        case Committed():
            return f"v{answer.version} {answer.event} -> {answer.after}"
        case Refusal():
            return f"refused: {answer.code}"
        case Raised():
            return f"raised {answer.kind}"  # its text may hold an address
