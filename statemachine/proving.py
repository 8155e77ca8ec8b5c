"""What is told from the journal is proven first: the transition that a known key stands for, and a whole history."""

from collections.abc import Sequence

from persistence import Head, KeyRecord, Reader, Record, Row, Stub, Transaction
from persistence.records import KIND_IMAGE, KIND_PATCH, genesis
from statemachine.errors import DataError, Refused
from statemachine.events import Request
from statemachine.folding import Folding, folded, follow, next_standing
from statemachine.loading import Loaded
from statemachine.transition import Transition

__all__ = ["check_chain", "proven_rows", "replay"]


def replay(transaction: Transaction, loaded: Loaded, request: Request, *, known: KeyRecord) -> Transition:
    """Return what a known key did.

    Raises Refused: `key_reused` for another event or payload, `instance_unsound` where the row is not as written.
    """
    state, version = loaded.configuration, loaded.head.version
    if known.digest != request.digest:
        reason = f"key {request.key!r} was used for another event or payload at version {known.version}"
        raise Refused("key_reused", reason, state=state, version=version)
    row = _answer(transaction, loaded.head, known, name=request.name, payload=request.payload)
    if row is None:
        reason = f"key {request.key!r} names version {known.version}, which is not as it was written"
        raise Refused("instance_unsound", reason, state=state, version=version)
    return Transition(row.record, row.hash, replayed=True)


def _answer(source: Transaction, head: Head, known: KeyRecord, *, name: str, payload: bytes) -> Row | None:
    """Return the transition that a key stands for, proven; None where it is not as it was written.

    Of one that was set aside, key and request tell enough: event, configuration and time. Actor, note and data are lost
    with the row.
    """
    version = known.version
    rows = source.rows_to(head.instance, version, near=known.n)
    left = {stub.version: stub for stub in source.stubs(head.instance)}
    standing = {row.record.version: row for row in rows}
    before = standing.get(version - 1)
    if version == 1:
        previous = genesis(head.instance, head.workflow, head.secret)
    else:
        one = before or left.get(version - 1) or source.row(head.instance, version - 1)
        if one is None:
            return None
        previous = one.hash
    try:
        folding = folded(rows[:-1]) if rows and rows[-1].record.kind == KIND_PATCH else Folding()
    except DataError:
        return None
    found, reason, _ = next_standing(rows[-1:], left.get(version), (version, previous), folding=folding)
    if found is None or reason is not None:
        return None
    if isinstance(found, Row):
        return found if (found.record.key or "") == known.key else None
    before = before or source.row(head.instance, version - 1)
    return _retold(head, known, found, before=before, body=(name, payload)) if found.n == known.n else None


def _retold(head: Head, known: KeyRecord, stub: Stub, *, before: Row | None, body: tuple[str, bytes]) -> Row:
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
    return Row(record, stub.hash)


def check_chain(head: Head, rows: Sequence[Row], stubs: Sequence[Stub]) -> None:
    """Check that each row of an instance follows from the one before it, up to its head.

    Raises Refused `instance_unsound`.
    """
    last, last_hash = 0, b""
    for version, found, reason, _ in follow(head, rows, stubs):
        if reason is not None:
            raise Refused("instance_unsound", f"{head.instance!r} version {version}: {reason}", version=head.version)
        last, last_hash = version, found.hash if found is not None else b""
    if (last, last_hash) != (head.version, head.hash):
        reason = f"its journal ends at version {last}, and its head stands at version {head.version}"
        raise Refused("instance_unsound", f"{head.instance!r}: {reason}", version=head.version)


def proven_rows(reader: Reader, instance: str) -> list[Row]:
    """Return the journal of an instance, oldest first, each row proven. Raises Refused."""
    head = reader.head(instance)
    if head is None:
        raise Refused("unknown_instance", f"there is no instance {instance!r}")
    rows = reader.journal(instance)
    check_chain(head, rows, reader.stubs(instance))
    return rows
