"""What is stored, independent of where: the record of a transition, its hashes, and the head of an instance.

This module is the specification that every store shares. All integers are big-endian; `‖` is concatenation.

  field           = u32 length ‖ bytes                            length 0xFFFFFFFF and no bytes for None
                    text is UTF-8; an integer is 8 bytes signed; bytes are themselves
  rest digest     = sha256("perdure-rest-1" ‖ field ‖ …)          event, before, key, actor, note, token, kind, body
  record digest   = sha256("perdure-record-1" ‖ field ‖ … ‖ rest digest)
                    instance, workflow, version, fingerprint, after, revision, epoch, incarnation, time
  hash            = sha256(hash before it ‖ record digest ‖ sha256(image after it))
  hash before v1  = sha256("perdure-genesis-1" ‖ field(instance) ‖ field(workflow) ‖ field(secret))
  seal            = sha256(seal before it ‖ i64 first n ‖ i64 last n ‖ hash ‖ hash ‖ …)     of one commit

A transition is valid if and only if
  (1) its hash equals the formula above, over its record, its image and the hash before it, and
  (2) its version is the version before it plus one.                                     INV-1, INV-2
A head is valid if and only if
  (3) its hash equals the formula above, over its own columns, its rest digest, the digest of its image and its
      previous hash, and                                                                  INV-3
  (4) the journal's row it points to has that hash and that version, and                  INV-4
  (5) it holds the image, of that digest; or it holds none, and folding the journal's patches onto the newest whole
      image gives one of that digest.
A stub is what a row that was set aside leaves. It is valid if and only if
  (6) sha256(hash before it ‖ proof) equals its hash; proof = record digest ‖ sha256(image), so that the chain goes on
      past a row that is lost.

A body is {"event": …, "image": …} or {"event": …, "patch": …}, after "error" where an event failed and was handled. The
image after a row with a patch is the image before it, changed as `statemachine.patches` says: to prove its hash takes
the rows from the newest whole image on. Version 1 has a whole image. How many rows have followed the newest one, and of
how many bytes, stands in the head as `patches` and `patched`; who drafts a transition decides by them when the next
whole image is due. They are counts of rows, proven by nothing else.

A key has no hash of its own. It answers only for the row at its version that was sent with that key, which the row's
hash covers; where a stub stands at its version, only if the stub's n is its own.

The record digest has two parts because a head repeats one of them: so a head proves all its columns by itself, even
where its journal row is damaged.

No rowid, surrogate key or pointer is part of a record, so that a chain can move to any store unchanged. Names stand in
it as text, so that a damaged symbol table is noticed. A configuration is stored as text: its leaves in document order,
joined by commas (a state's name cannot hold one). After it follows, for each region that remembers where it was, in
document order, `|region=` and the leaves that it remembers, joined by commas: `review|fulfil=fulfil.stock.picked`. What
is remembered is part of where an instance stands, so record, head, key and hash cover it without a column of its own.
Where an instance was terminated ends with `|perdure.terminated`, and what follows of the outcome is covered too.
"""

import struct
from functools import lru_cache
from hashlib import sha256

from attrs import define, field

__all__ = [
    "KIND_IMAGE",
    "KIND_PATCH",
    "Checkpoint",
    "Draft",
    "Found",
    "Head",
    "KeyRecord",
    "Quarantine",
    "Record",
    "Row",
    "Sealed",
    "Standing",
    "StoreFacts",
    "Stub",
    "digests",
    "genesis",
    "head_digest",
    "head_hash",
    "head_of",
    "image_digest",
    "proof_of",
    "record_digest",
    "seal_of",
    "stub_hash",
]

KIND_IMAGE = 1  # the body is {"event": …, "image": …}: the payload and the whole data after the transition
KIND_PATCH = 2  # the body is {"event": …, "patch": …}: the payload and what of the data the transition changed

NAMES_MAX = 10_000  # remembered as they are hashed: as many as heads by default; a few MB at most

_NONE = b"\xff\xff\xff\xff"
_PREFIX = b"perdure-record-1"
_REST_PREFIX = b"perdure-rest-1"
_NOBODY = 3 * _NONE  # neither key nor actor nor note
TOKEN_BYTES = 16
_length = struct.Struct(">I").pack
_number = struct.Struct(">Iq").pack
_numbers = struct.Struct(">IqIqIqIq").pack  # four such fields
_told = struct.Struct(f">I{TOKEN_BYTES}sIqI").pack  # a token, the kind of a body, and the length of one
_range = struct.Struct(">qq").pack


@define(eq=True)
class Record:
    """One transition as it is hashed: store-independent values only."""

    instance: str
    workflow: str
    version: int  # 1, 2, 3 … without a gap
    fingerprint: bytes  # of the chart that decided, 32 bytes
    event: str  # the event's stored name; "perdure.start" for version 1
    before: str  # configuration text; empty for version 1
    after: str
    revision: int
    epoch: int
    incarnation: int
    key: str | None
    actor: str | None
    note: str | None
    time: int  # microseconds since 1970-01-01 UTC
    token: bytes  # the run that wrote it and its counter: equal events of two processes differ
    kind: int  # of the body
    body: bytes


def _text(value: str | None) -> bytes:
    if value is None:
        return _NONE
    encoded = value.encode()
    return _length(len(encoded)) + encoded


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


# Names come again and again, and in pairs: of an instance and its workflow, an event and where it found the instance.
@lru_cache(maxsize=NAMES_MAX)
def _names(one: str, other: str) -> bytes:
    return _text(one) + _text(other)


@lru_cache(maxsize=NAMES_MAX)
def _place(fingerprint: bytes, after: str) -> bytes:
    return _bytes(fingerprint) + _text(after)


def digests(record: Record) -> tuple[bytes, bytes]:
    """Return rest digest and record digest, 32 bytes each. Pure."""
    key, actor, note, token, body = record.key, record.actor, record.note, record.token, record.body
    sender = _NOBODY if key is actor is note is None else _text(key) + _text(actor) + _text(note)
    if len(token) == TOKEN_BYTES:
        told = _told(TOKEN_BYTES, token, 8, record.kind, len(body))
    else:
        told = _bytes(token) + _number(8, record.kind) + _length(len(body))
    rest = sha256(b"".join((_REST_PREFIX, _names(record.event, record.before), sender, told, body))).digest()
    return rest, _digest(record, record.after, rest)


def record_digest(record: Record) -> bytes:
    """Return the digest of a record's specified encoding, 32 bytes. Pure."""
    return digests(record)[1]


def head_digest(head: "Head") -> bytes:
    """Return the record digest that follows from a head's columns and its rest digest. Pure."""
    return _digest(head, head.configuration, head.rest_digest)


def _digest(shared: "Record | Head", after: str, rest: bytes) -> bytes:
    whose, where = _names(shared.instance, shared.workflow), _place(shared.fingerprint, after)
    counts = _numbers(8, shared.revision, 8, shared.epoch, 8, shared.incarnation, 8, shared.time)
    return sha256(b"".join((_PREFIX, whose, _number(8, shared.version), where, counts, rest))).digest()


def head_hash(previous: bytes, digest: bytes, image: bytes) -> bytes:
    """Return the hash of a transition from the hash before it, its record digest and the image after it. Pure."""
    return sha256(previous + digest + sha256(image).digest()).digest()


def image_digest(image: bytes) -> bytes:
    """Return the digest of an image, 32 bytes. Pure."""
    return sha256(image).digest()


def head_of(
    record: "Record",
    chained: tuple[bytes, bytes, bytes],
    image: tuple[bytes, bytes | None],
    *,
    secret: bytes,
    outcome: str | None,
    patches: tuple[int, int] = (0, 0),
) -> "Head":
    """Return the head that stands for a record: `chained` are hash, hash before it and rest digest. Pure.

    `image` is its digest, and the image itself if the head is to hold it; `patches` as the head counts them.
    """
    return Head(  # in the order of its fields: by their names it would take three times as long
        record.instance,
        record.workflow,
        record.version,
        record.after,
        record.fingerprint,
        record.revision,
        record.epoch,
        record.incarnation,
        secret,
        record.time,
        outcome,
        *chained,
        *image,
        *patches,
    )


def proof_of(head: "Head") -> bytes:
    """Return what proves a head's hash to who knows the hash before it; a stub keeps it. Pure."""
    return head_digest(head) + head.image_digest


def stub_hash(previous: bytes, proof: bytes) -> bytes:
    """Return the hash of the transition that a stub stands for. Pure."""
    return sha256(previous + proof).digest()


def genesis(instance: str, workflow: str, secret: bytes) -> bytes:
    """Return the hash that version 1 of an instance chains from. Pure."""
    return sha256(b"perdure-genesis-1" + _text(instance) + _text(workflow) + _bytes(secret)).digest()


def seal_of(previous: bytes, first: int, hashes: tuple[bytes, ...]) -> bytes:
    """Return the seal of a commit that wrote the rows `first`, `first + 1`, … with these hashes. Pure."""
    return sha256(previous + _range(first, first + len(hashes) - 1) + b"".join(hashes)).digest()


@define(eq=True)
class Head:
    """Where one instance stands: its newest transition and the image of its data, as read from a store."""

    instance: str
    workflow: str
    version: int
    configuration: str
    fingerprint: bytes
    revision: int
    epoch: int
    incarnation: int
    secret: bytes  # 16 bytes; seeds the frame's random and new_id
    time: int
    outcome: str | None  # None while it runs
    hash: bytes
    previous_hash: bytes
    rest_digest: bytes  # of what its record holds beside the columns above
    image_digest: bytes
    image: bytes | None  # None where it is too large to be written by every transition: the journal has it
    patches: int = 0  # rows after the newest one with a whole image
    patched: int = 0  # and the bytes of their bodies
    quarantine: str | None = None  # the reason of its mark, or None


@define(eq=True)
class KeyRecord:
    """What an idempotency key stands for. It answers only for the row at `version` that was sent with it."""

    instance: str
    kind: str  # "send" or "start"
    key: str
    version: int
    digest: bytes  # of the event's stored name and the fields that differ from their defaults
    after: str
    error: str | None
    time: int
    n: int = field(default=0, eq=False)  # the place of its row in the lane: the store's own affair, 0 in a draft
    is_told: bool = field(default=True, eq=False)  # False where a store keeps the text in a row that is gone


@define(eq=True)
class Draft:
    """One transition that was decided and is to be appended: nothing of it is durable before the commit returns.

    It has one key at most: of kind start in version 1, else send, with the record's text or, where that is None, none.
    """

    record: Record
    head: Head  # where its instance stands once it is committed
    image: bytes  # of the data after it, whole; the head holds it, or none where it is too large
    definition: str  # the canonical text of the chart; stored once per fingerprint
    keys: tuple[KeyRecord, ...] = ()


@define(eq=True)
class Row:
    """One row of the journal as it is stored."""

    record: Record
    hash: bytes


@define(eq=True)
class Found:
    """One row that a store keeps for an instance, found by whose it is and not by a head's or row's pointer."""

    n: int  # its position in the lane
    version: int
    hash: bytes
    row: Row | None  # None where it cannot be read


@define(eq=True)
class Stub:
    """What stays in the place of a journal row that was set aside: neither n nor version is ever used again."""

    n: int
    instance: str
    version: int
    hash: bytes
    seal: bytes | None
    proof: bytes  # record digest ‖ sha256(image)


@define(eq=True)
class Sealed:
    """One position of the lane: the order in which a store committed its rows."""

    n: int
    hash: bytes
    seal: bytes | None  # on the last row of each commit


@define(eq=True)
class Checkpoint:
    """A version of an instance that somebody named, with its whole image. The row's hash proves the image."""

    instance: str
    version: int
    hash: bytes  # of the transition at that version
    label: str  # unique in its instance
    tags: tuple[str, ...]
    note: str | None
    time: int
    image: bytes


@define(eq=True)
class Standing:
    """Where one instance stands, as its head says: enough to choose instances by, and proven only with the head."""

    instance: str
    configuration: str
    outcome: str | None


@define(eq=True)
class Quarantine:
    """A mark that sets an instance aside; nothing of it is deleted."""

    instance: str
    reason: str
    sound_version: int  # the last version that is provably sound; 0 if none is
    time: int


@define(eq=True)
class StoreFacts:
    """What a store says of itself."""

    store_id: str
    format: int
    epoch: int
    level: str
    unclean: tuple[str, ...] = field(factory=tuple)  # open marks whose owner is gone
    barred: str | None = None  # why nothing may be written until `recovery.accept_tail_loss`: a verdict and its range
    notes: tuple[str, ...] = field(factory=tuple)  # what opening found, and passed
