"""From a stored head to something that can be run: gathers the facts that `admission` judges.

Used by the engine at the first load of an instance and by recovery for every instance, so that both see the same.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from attrs import define, evolve

from persistence.records import (
    KIND_IMAGE,
    Head,
    KeyRecord,
    Record,
    Row,
    Stub,
    genesis,
    head_digest,
    head_hash,
    record_digest,
    stub_hash,
)
from persistence.store import Reader, Transaction
from statemachine.admission import HeadFacts
from statemachine.chart import Chart, Configuration, Memory
from statemachine.codec import dumps, loads
from statemachine.decide import broken_invariant
from statemachine.definition import Definition
from statemachine.errors import DataError
from statemachine.frame import SqlPort
from statemachine.runner import FrameRunner

__all__ = [
    "Loaded",
    "answer",
    "broken_head",
    "broken_row",
    "configuration_of",
    "configuration_text",
    "examine",
    "fit",
    "follow",
    "illegal",
    "image_of",
    "memory_of",
]


@define(eq=False)
class Loaded:
    """A head that passed admission, and its class."""

    head: Head
    definition: Definition
    configuration: Configuration
    image: bytes  # the data as this class writes it; other bytes than the head's where the class gained fields
    frozen: object  # the same data, to be thawed for each attempt

    @property
    def memory(self) -> Memory:
        """What its regions remember."""
        return memory_of(self.head.configuration)


def configuration_text(configuration: Configuration, *, memory: Memory = ()) -> str:
    """Return where an instance stands as it is stored: `a.b,c|region=region.leaf,region.other`. Pure."""
    return "|".join((",".join(configuration), *(f"{region}={','.join(leaves)}" for region, leaves in memory)))


def configuration_of(text: str) -> Configuration:
    """Return the configuration of a stored text. Pure."""
    leaves = text.partition("|")[0]
    return tuple(leaves.split(",")) if leaves else ()


def memory_of(text: str) -> Memory:
    """Return what regions remember by a stored text. Total: what `configuration_text` never wrote is illegal. Pure."""
    if "|" not in text:
        return ()
    parts = (part.partition("=") for part in text.split("|")[1:])
    return tuple((region, configuration_of(leaves)) for region, _, leaves in parts)


def illegal(text: str, chart: Chart) -> str | None:
    """Return why a stored configuration, or what it remembers, is not legal in a chart; None if it is. Pure."""
    reason = chart.legal(configuration_of(text), memory=memory_of(text))
    return None if reason is None else f"configuration {text!r}: {reason}"


def examine(head: Head, definition: Definition | None, *, source: Transaction | Reader, has_sql: bool) -> HeadFacts:
    """Gather what can be known of one head and its journal row.

    `source` is where the head was read: the row, the definition that wrote it, and what invariants read of the user's
    tables come from the same view of the store.
    """
    tail = source.row(head.instance, head.version)
    broken_hash, broken_link = broken_head(head), _broken_link(head, tail)
    if tail is None or broken_hash is not None or broken_link is not None:
        return HeadFacts(
            mark=head.quarantine, broken_hash=broken_hash, broken_link=broken_link, has_class=definition is not None
        )
    return fit(head, definition, source=source, has_sql=has_sql, told=(tail.record.actor, tail.record.note))


def fit(
    head: Head,
    definition: Definition | None,
    *,
    source: Transaction | Reader,
    has_sql: bool,
    told: tuple[str | None, str | None],  # actor and note, which an invariant may read
) -> HeadFacts:
    """Gather how a head that is proven fits the definition that wrote it, and its class."""
    same = definition is not None and definition.fingerprint == head.fingerprint
    if same and definition is not None:
        unknown, wrong = None, _broken_outcome(head, definition.chart)
    else:
        unknown, wrong = _as_stored(head, source.definition(head.fingerprint))
    facts = HeadFacts(
        mark=head.quarantine, unknown_definition=unknown, illegal_as_stored=wrong, has_class=definition is not None
    )
    if definition is None:
        return facts
    facts = evolve(
        facts,
        same_fingerprint=same,
        lower_revision=_lower(head, definition),
        illegal=illegal(head.configuration, definition.chart),
    )
    if facts.illegal is not None:
        return facts
    return _with_data(facts, head, definition, told=told, sql=source if has_sql else None)


def broken_head(head: Head) -> str | None:
    """Return why a head does not prove itself (INV-3); None if it does. Pure."""
    if head_hash(head.previous_hash, head_digest(head), head.image) == head.hash:
        return None
    return f"version {head.version}: a column, the image or a hash of its head was changed"


def _broken_link(head: Head, tail: Row | None) -> str | None:
    """Compare a head with the record it stands for."""
    if tail is None:
        return f"version {head.version}: its row is missing from the journal"
    if tail.hash == head.hash and record_digest(tail.record) == head_digest(head):
        return None
    return f"version {head.version}: head and journal disagree, or the row was changed"


def _broken_outcome(head: Head, chart: Chart) -> str | None:
    """Compare a head's outcome with the one that its configuration has."""
    if head.outcome == chart.outcome(configuration_of(head.configuration)):
        return None
    return f"version {head.version}: the head's outcome was changed"


def image_of(row: Row) -> bytes:
    """Return the image in a row's body. Raises DataError where there is none. Pure."""
    body: object = loads(row.record.body)
    if not isinstance(body, dict) or "image" not in body:
        raise DataError("there is no image in it")
    return dumps(cast("dict[str, object]", body)["image"])


def broken_row(row: Row, version: int, *, previous: bytes) -> str | None:
    """Return why a row does not follow from the hash before it; None if it does. Pure."""
    record = row.record
    if record.version != version:
        return f"a row of version {record.version} stands in its place"
    if record.kind != KIND_IMAGE:
        return f"its body is of kind {record.kind}, which this version cannot read"
    try:
        image = image_of(row)
    except DataError as error:
        return f"its body cannot be read: {error}"
    if head_hash(previous, record_digest(record), image) != row.hash:
        return "its hash does not follow from the row before it, its record and its image"
    return None


def follow(
    head: Head, rows: Sequence[Row], stubs: Sequence[Stub]
) -> Iterator[tuple[int, Row | Stub | None, str | None]]:
    """Yield version, what stands there, and why it does not follow from the version before it.

    Begins with what the head says of its origin (instance, workflow, secret) and ends after the newest version, or the
    first that does not follow. Of several rows that say they are one version, the one that follows is it. Pure.
    """
    standing: dict[int, list[Row]] = {}
    for row in rows:
        standing.setdefault(row.record.version, []).append(row)
    left = {stub.version: stub for stub in stubs}
    previous = genesis(head.instance, head.workflow, head.secret)
    for version in range(1, max((*standing, *left), default=0) + 1):
        found, reason = _next(standing.get(version, []), left.get(version), version, previous=previous)
        yield version, found, reason
        if found is None or reason is not None:
            return
        previous = found.hash


def _next(rows: list[Row], stub: Stub | None, version: int, *, previous: bytes) -> tuple[Row | Stub | None, str | None]:
    reasons = [broken_row(row, version, previous=previous) for row in rows]
    if None in reasons:
        return rows[reasons.index(None)], None
    if stub is not None:
        is_proven = stub_hash(previous, stub.proof) == stub.hash
        return stub, None if is_proven else "what a row that was set aside left does not prove its hash"
    return (rows[0], reasons[0]) if rows else (None, "its row is missing from the journal")


def answer(source: Transaction, head: Head, known: KeyRecord, *, name: str, payload: bytes) -> Row | None:
    """Return the transition that a key stands for, proven; None where it is not as it was written.

    Of one that was set aside, key and request tell enough: event, configuration, hash and time. Actor, note and data
    are lost with the row.
    """
    version, stubs = known.version, source.stubs(head.instance)
    before = source.row(head.instance, version - 1) if version > 1 else None
    left = {stub.version: stub for stub in stubs}
    previous: Row | Stub | None = before or left.get(version - 1)
    if previous is None and version > 1:
        return None
    origin = genesis(head.instance, head.workflow, head.secret) if previous is None else previous.hash
    row = source.row(head.instance, version)
    found, reason = _next([] if row is None else [row], left.get(version), version, previous=origin)
    if found is None or reason is not None or found.hash != known.hash:
        return None
    return found if isinstance(found, Row) else _retold(head, known, before=before, body=(name, payload))


def _retold(head: Head, known: KeyRecord, *, before: Row | None, body: tuple[str, bytes]) -> Row:
    name, payload = body
    record = Record(
        instance=head.instance,
        workflow=head.workflow,
        version=known.version,
        fingerprint=b"",
        event=name,
        before="" if before is None else before.record.after,
        after=known.after,
        revision=head.revision,
        epoch=head.epoch,
        incarnation=head.incarnation,
        key=known.key,
        actor=None,
        note=None,
        time=known.time,
        token=b"",
        kind=KIND_IMAGE,
        body=b'{"event":' + payload + b"}",
    )
    return Row(record, known.hash)


def _as_stored(head: Head, text: str | None) -> tuple[str | None, str | None]:
    """Judge against the definition that wrote it, which needs no class."""
    if text is None:
        return f"version {head.version}: the definition that wrote it is not in the store", None
    try:
        chart = Chart(text)
    except (KeyError, TypeError, ValueError):
        return f"version {head.version}: the definition that wrote it is damaged", None
    if chart.fingerprint != head.fingerprint:
        return f"version {head.version}: the definition that wrote it was changed", None
    return None, illegal(head.configuration, chart) or _broken_outcome(head, chart)


def _lower(head: Head, definition: Definition) -> str | None:
    if definition.revision >= head.revision:
        return None
    return f"it was written by revision {head.revision}; this class is revision {definition.revision}"


def _with_data(
    facts: HeadFacts, head: Head, definition: Definition, *, told: tuple[str | None, str | None], sql: SqlPort | None
) -> HeadFacts:
    """Add to the facts what of the data does not fit its class."""
    try:
        data = definition.decode_data(head.image)
    except DataError as error:
        return evolve(facts, unreadable=str(error))
    attempt = FrameRunner(data)
    attempt.id, attempt.version, attempt.time = head.instance, head.version, head.time
    attempt.actor, attempt.note = told
    attempt.sql = sql
    attempt.configuration = configuration_of(head.configuration)
    try:
        broken = broken_invariant(definition, attempt, definition.freeze(data))
    except Exception as error:  # noqa: BLE001  # reported; it stops only this instance
        reason = f"an invariant could not be asked: {type(error).__name__}: {error}"
        return evolve(facts, unanswered_invariant=reason)
    return evolve(facts, broken_invariant=broken)
