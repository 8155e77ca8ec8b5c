"""From a stored head to something that can be run: gathers the facts that `admission` judges.

Used by the engine at the first load of an instance and by recovery for every instance, so that both see the same.
"""

from typing import cast

from attrs import define, evolve

from persistence.records import KIND_IMAGE, Head, Record, Row, head_hash, record_digest
from persistence.store import Reader, Transaction
from statemachine.admission import HeadFacts
from statemachine.chart import Chart, Configuration, Memory
from statemachine.codec import dumps, loads
from statemachine.decide import broken_invariant
from statemachine.definition import Definition
from statemachine.errors import DataError
from statemachine.frame import Attempt, SqlPort

__all__ = [
    "Loaded",
    "broken_row",
    "configuration_of",
    "configuration_text",
    "examine",
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
    broken_hash = _broken_hash(head)
    broken_link = _broken_link(head, tail)
    same = definition is not None and definition.fingerprint == head.fingerprint
    unknown, illegal_as_stored = (None, None) if same else _as_stored(head, source.definition(head.fingerprint))
    if definition is None or broken_hash is not None:
        return HeadFacts(
            mark=head.quarantine,
            broken_hash=broken_hash,
            broken_link=broken_link,
            unknown_definition=unknown,
            illegal_as_stored=illegal_as_stored,
            has_class=definition is not None,
        )
    if same and broken_link is None:
        broken_link = _broken_outcome(head, definition.chart)
    misplaced = illegal(head.configuration, definition.chart)
    facts = HeadFacts(
        mark=head.quarantine,
        broken_link=broken_link,
        unknown_definition=unknown,
        illegal_as_stored=illegal_as_stored,
        same_fingerprint=same,
        lower_revision=_lower(head, definition),
        illegal=misplaced,
    )
    if misplaced is not None or tail is None:
        return facts
    return _with_data(facts, head, definition, record=tail.record, sql=source if has_sql else None)


def _broken_hash(head: Head) -> str | None:
    if head_hash(head.previous_hash, head.record_digest, head.image) == head.hash:
        return None
    return f"version {head.version}: the image or a hash of its head was changed"


def _broken_link(head: Head, tail: Row | None) -> str | None:
    """Compare a head with the record it stands for: the record is proven by its digest, the head's columns by it."""
    where = f"version {head.version}"
    if tail is None:
        return f"{where}: its row is missing from the journal"
    record = tail.record
    if record_digest(record) != head.record_digest or tail.hash != head.hash:
        return f"{where}: head and journal disagree, or the row was changed"
    differing = [name for name in _SHARED if getattr(record, name) != getattr(head, name)]
    if record.after != head.configuration:
        differing.append("configuration")
    return f"{where}: the head's {', '.join(differing)} was changed" if differing else None


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


_SHARED = ("instance", "workflow", "version", "fingerprint", "revision", "epoch", "incarnation", "time")
"""What a head repeats of its record, under the same name."""


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
    facts: HeadFacts, head: Head, definition: Definition, *, record: Record, sql: SqlPort | None
) -> HeadFacts:
    """Add to the facts what of the data does not fit its class."""
    try:
        data = definition.decode_data(head.image)
    except DataError as error:
        return evolve(facts, unreadable=str(error))
    attempt = Attempt(
        data=data,
        id=head.instance,
        version=head.version,
        time=head.time,
        actor=record.actor,
        note=record.note,
        sql=sql,
        configuration=configuration_of(head.configuration),
    )
    try:
        # Encoded anew: a class that gained fields with defaults writes other bytes for the same data.
        broken = broken_invariant(definition, attempt, definition.encode_data(data))
    except Exception as error:  # noqa: BLE001  # reported; it stops only this instance
        reason = f"an invariant could not be asked: {type(error).__name__}: {error}"
        return evolve(facts, unanswered_invariant=reason)
    return evolve(facts, broken_invariant=broken)
