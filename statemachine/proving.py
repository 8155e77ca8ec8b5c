"""What is told from the journal is proven first: the transition that a known key stands for, and a whole history."""

from collections.abc import Sequence

from persistence import Head, Row, Stub, Transaction
from statemachine.errors import Refused
from statemachine.events import Request
from statemachine.loading import Loaded, answer, follow
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
    row = answer(transaction, loaded.head, known, name=request.name, payload=request.payload)
    if row is None:
        reason = f"key {request.key!r} names version {known.version}, which is not as it was written"
        raise Refused("instance_unsound", reason, state=state, version=version)
    return Transition(row.record, row.hash, replayed=True)


def check_chain(head: Head, rows: Sequence[Row], stubs: Sequence[Stub]) -> None:
    """Check that each row of an instance follows from the one before it, up to its head.

    Raises Refused `instance_unsound`.
    """
    last, last_hash = 0, b""
    for version, found, reason in follow(head, rows, stubs):
        if reason is not None:
            raise Refused("instance_unsound", f"{head.instance!r} version {version}: {reason}", version=head.version)
        last, last_hash = version, found.hash if found is not None else b""
    if (last, last_hash) != (head.version, head.hash):
        reason = f"its journal ends at version {last}, and its head stands at version {head.version}"
        raise Refused("instance_unsound", f"{head.instance!r}: {reason}", version=head.version)
