"""What is the case: facts of one instance and of the store, gathered read-only. Nothing is judged here.

All facts of an instance come from one read view. At level `heads` the head and its journal row are examined; at `full`
every row is: the chain is recomputed from version 1, each image is folded and each configuration checked against the
definition that wrote it. Guards and actions never run, so new code cannot rewrite history.
"""

from collections.abc import Callable, Mapping

from attrs import evolve, field, frozen

from persistence import Corrupt, Head, KeyRecord, Reader, Row
from persistence.records import genesis, seal_of
from statemachine.admission import HeadFacts
from statemachine.chart import Chart
from statemachine.codec import loads
from statemachine.definition import Definition
from statemachine.loading import broken_row, examine, illegal, image_of

__all__ = ["InstanceFacts", "LaneFacts", "instance_facts", "lane_facts"]

NO_SEAL = bytes(32)


@frozen
class InstanceFacts:
    """What was found about one instance."""

    instance: str
    workflow: str
    version: int
    configuration: str
    hash: bytes
    outcome: str | None
    head: HeadFacts
    broken_chain: str | None = None  # why the journal does not prove itself; None where it does, or was not read
    broken_key: str | None = None
    sound_version: int = 0  # the last version that is provably sound; the head's at level `heads`
    rows: int = 0  # of its chain, as far as it can be followed from the head; 0 at level `heads`


@frozen
class LaneFacts:
    """What was found about the order of commits."""

    last: int  # the newest row's number
    rows: int
    seal: bytes
    broken: tuple[str, ...] = field(factory=tuple)


def instance_facts(
    reader: Reader, instance: str, *, definitions: Mapping[str, Definition], full: bool, has_sql: bool
) -> InstanceFacts | None:
    """Gather the facts of one instance; None if there is none of that id. Rows that cannot be read are a fact too."""
    try:
        return _instance_facts(reader, instance, definitions=definitions, full=full, has_sql=has_sql)
    except Corrupt as error:
        return InstanceFacts(instance, "", 0, "", b"", None, HeadFacts(broken_hash=str(error)))


def _instance_facts(
    reader: Reader, instance: str, *, definitions: Mapping[str, Definition], full: bool, has_sql: bool
) -> InstanceFacts | None:
    head = reader.head(instance)
    if head is None:
        return None
    definition = definitions.get(head.workflow)
    found = InstanceFacts(
        instance=instance,
        workflow=head.workflow,
        version=head.version,
        configuration=head.configuration,
        hash=head.hash,
        outcome=head.outcome,
        head=examine(head, definition, source=reader, has_sql=has_sql),
        sound_version=head.version,
    )
    if not full:
        return found
    rows = reader.journal(instance)
    sound, broken = _walk(head, rows, _charts(reader))
    return evolve(
        found,
        broken_chain=broken,
        sound_version=sound,
        rows=len(rows),
        broken_key=_broken_key(reader.keys(instance), rows, definition) if broken is None else None,
    )


def _charts(reader: Reader) -> Callable[[bytes], Chart | None]:
    """Return a function that reads the chart of a fingerprint, each once."""
    known: dict[bytes, Chart | None] = {}

    def chart(fingerprint: bytes) -> Chart | None:
        if fingerprint not in known:
            text = reader.definition(fingerprint)
            try:
                found = None if text is None else Chart(text)
            except (KeyError, TypeError, ValueError):
                found = None
            known[fingerprint] = found if found is not None and found.fingerprint == fingerprint else None
        return known[fingerprint]

    return chart


def _walk(head: Head, rows: list[Row], chart: Callable[[bytes], Chart | None]) -> tuple[int, str | None]:
    """Return the last version that is proven from version 1 on, and why the one after it is not."""
    previous, before = genesis(head.instance, head.workflow, head.secret), ""
    for place, row in enumerate(rows):
        reason = broken_row(row, place + 1, previous=previous) or _misplaced(row, before) or _illegal_row(row, chart)
        if reason is not None:
            return place, f"version {place + 1}: {reason}"
        previous, before = row.hash, row.record.after
    if not rows or (rows[-1].hash, len(rows)) != (head.hash, head.version):
        return len(rows), f"version {len(rows) + 1}: the chain of rows from version 1 does not reach the head"
    if image_of(rows[-1]) != head.image:
        return len(rows), f"version {head.version}: the head's image is not the one in the journal"
    return len(rows), None


def _misplaced(row: Row, before: str) -> str | None:
    if row.record.before == before:
        return None
    return f"it starts from {row.record.before!r}, the row before it ended in {before!r}"


def _illegal_row(row: Row, chart: Callable[[bytes], Chart | None]) -> str | None:
    found = chart(row.record.fingerprint)
    if found is None:
        return "the definition that wrote it is missing or damaged"
    return illegal(row.record.after, found)


def _broken_key(keys: list[KeyRecord], rows: list[Row], definition: Definition | None) -> str | None:
    """Compare keys with the rows that they answer for, both ways, and their digests with the payloads."""
    by_version = {row.record.version: row for row in rows}
    for key in keys:
        row = by_version.get(key.version)
        if row is None or row.hash != key.hash or row.record.after != key.after:
            return f"key {key.key!r} answers for version {key.version}, which is another one"
        if key.error != loads(row.record.body).get("error"):
            return f"key {key.key!r} answers for version {key.version} with another error than the journal's"
        if key.kind == "send" and row.record.key != key.key:
            return f"key {key.key!r} answers for version {key.version}, which was sent with {row.record.key!r}"
        if definition is not None and definition.fingerprint == row.record.fingerprint:
            digest = definition.digest_of(row.record.event, loads(row.record.body)["event"])
            if digest != key.digest:
                return f"key {key.key!r} of version {key.version} stands for another payload than the journal's"
    answered = {key.version for key in keys}
    for row in rows:
        if row.record.key is not None and row.record.version not in answered:
            return f"version {row.record.version} was sent with key {row.record.key!r}, which is not on record"
    return None


def lane_facts(reader: Reader, *, chained: int) -> LaneFacts:
    """Recompute every seal, in the order of the commits. `chained` is how many rows all chains hold together."""
    broken: list[str] = []
    seal, hashes, first, last, rows = NO_SEAL, list[bytes](), 1, 0, 0
    for row in reader.lane():
        rows += 1
        if row.n != last + 1:
            broken.append(f"row {last + 1} is missing from the order of commits")
            first = row.n if not hashes else first
        hashes.append(row.hash)
        last = row.n
        if row.seal is not None:
            if seal_of(seal, first, tuple(hashes)) != row.seal:
                broken.append(f"the seal at row {row.n} does not follow from rows {first} to {row.n}")
            seal, hashes, first = row.seal, [], row.n + 1
    if hashes:
        broken.append(f"rows {first} to {last} carry no seal: their commit is not whole")
    if rows != chained:
        broken.append(f"{rows} rows were committed, the chains of all instances hold {chained}: a head went back")
    return LaneFacts(last, rows, seal, tuple(broken))
