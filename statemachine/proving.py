"""What is told from the journal is proven first: the transition that a known key stands for, and a whole history."""

from collections.abc import Sequence

from persistence import Head, Row, Transaction
from persistence.records import genesis
from statemachine.errors import Refused
from statemachine.events import Request
from statemachine.loading import Loaded, broken_row
from statemachine.transition import Transition

__all__ = ["check_chain", "replay"]


def replay(transaction: Transaction, loaded: Loaded, request: Request) -> Transition | None:
    """Return what a known key did; None for one that is not known.

    Raises Refused: `key_reused` for another event or payload, `instance_unsound` where the row is not as written.
    """
    assert request.key is not None
    name = (loaded.head.instance, "send", request.key)
    known = transaction.keys([name]).get(name)
    if known is None:
        return None
    state, version = loaded.configuration, loaded.head.version
    if known.digest != request.digest:
        reason = f"key {request.key!r} was used for another event or payload at version {known.version}"
        raise Refused("key_reused", reason, state=state, version=version)
    row = transaction.row(loaded.head.instance, known.version)
    if row is None or row.hash != known.hash or not _is_proven(transaction, loaded.head, row):
        reason = f"key {request.key!r} names version {known.version}, which is not as it was written"
        raise Refused("instance_unsound", reason, state=state, version=version)
    return Transition(row.record, row.hash, replayed=True)


def _is_proven(transaction: Transaction, head: Head, row: Row) -> bool:
    """Say whether a row follows from the one before it."""
    version = row.record.version
    before = transaction.row(head.instance, version - 1) if version > 1 else None
    previous = genesis(head.instance, head.workflow, head.secret) if before is None else before.hash
    return broken_row(row, version, previous=previous) is None


def check_chain(head: Head, rows: Sequence[Row]) -> None:
    """Check that each row of an instance follows from the one before it. Raises Refused `instance_unsound`."""
    previous = genesis(head.instance, head.workflow, head.secret)
    for version, row in enumerate(rows, start=1):
        reason = broken_row(row, version, previous=previous)
        if reason is not None:
            raise Refused("instance_unsound", f"{head.instance!r} version {version}: {reason}", version=head.version)
        previous = row.hash
