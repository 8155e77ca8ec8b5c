"""Whether each key of an instance answers for the transition that was sent with it, and each of these has its key.

A key has no hash of its own (`persistence.records`): it is compared with the row at its version, and where the class is
known that still has that definition, its digest with the row's payload.
"""

from collections.abc import Mapping, Sequence

from persistence import Corrupt, Head, KeyRecord, Reader, Row, Stub
from statemachine.codec import loads
from statemachine.definition import Definition
from statemachine.errors import DataError

__all__ = ["broken_key"]


def broken_key(
    reader: Reader, head: Head, standing: Sequence[Row | Stub], *, definitions: Mapping[str, Definition]
) -> str | None:
    """Return why a key is not as it was written, or lost; None where all are well. `standing` is a proven journal."""
    try:
        keys = reader.keys(head.instance)
    except Corrupt as error:
        return str(error)
    if not keys and head.outcome is not None:
        return None  # they are kept for some time after its end
    versions = max(len(standing), head.version)  # the head's own row may be torn
    stubs = {one.version: one.n for one in standing if isinstance(one, Stub)}
    by_version = {one.record.version: one for one in standing if isinstance(one, Row)}
    for key in keys:
        row = by_version.get(key.version)
        is_placed = 0 < key.version <= versions and stubs.get(key.version, key.n) == key.n
        definition = definitions.get(head.workflow)
        reason = _wrong_key(key, row, definition=definition) if is_placed else "answers for another version"
        if reason is not None:
            return f"key {key.key!r} of version {key.version} {reason}"
    answered = {(key.version, key.kind) for key in keys}
    lost = (version for version, row in by_version.items() if _kind(row) and (version, _kind(row)) not in answered)
    missing = next(lost, None)
    return None if missing is None else f"version {missing} was sent with a key that is not on record"


def _kind(row: Row) -> str:
    """Return the kind of key that a row answers for; empty where it has none."""
    return "start" if row.record.version == 1 else "send" if row.record.key is not None else ""


def _wrong_key(key: KeyRecord, row: Row | None, *, definition: Definition | None) -> str | None:
    if row is None:
        return None  # of a row that was set aside only the hash is known
    if row.record.after != key.after:
        return "answers for another version"
    if key.kind != _kind(row) or (key.is_told and key.key != (row.record.key or "")):
        return f"answers for a transition that was sent with {row.record.key!r}"
    if key.error != loads(row.record.body).get("error"):
        return "answers with another error than the journal's"
    if key.time != row.record.time:
        return "has another time than its transition"
    return _wrong_payload(key, row, definition)


def _wrong_payload(key: KeyRecord, row: Row, definition: Definition | None) -> str | None:
    body = loads(row.record.body)  # an object: its image was hashed
    if "event" not in body:
        return "answers for a row without a payload"
    if definition is None or definition.fingerprint != row.record.fingerprint:
        return None
    try:
        digest = definition.digest_of(row.record.event, body["event"])
    except DataError:
        return None  # a validator, which is no part of a definition, takes it no longer: nothing to compare
    return None if digest == key.digest else "stands for another payload than the journal's"
