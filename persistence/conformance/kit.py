"""What the contract is made of: drafts that chain, what they read back as, and what must not be."""

import threading
from collections.abc import Callable, Sequence

from persistence.records import (
    KIND_IMAGE,
    Draft,
    Found,
    KeyRecord,
    Record,
    Row,
    Sealed,
    digests,
    genesis,
    head_hash,
    head_of,
    image_digest,
    seal_of,
)
from persistence.store import Reader, Store, Transaction

__all__ = [
    "INTEGER_MAX", "ODD_TEXTS", "THREADS", "TURNS", "Chain", "append", "aside", "assert_lane", "assert_only",
    "assert_outcome", "assert_seen", "assert_seen_in", "evidence_of", "expire_all",
    "for_absent", "generation_of", "raised", "rows_of", "write",
]  # fmt: skip

NO_SEAL = bytes(32)  # what the first seal of a lane chains from
INTEGER_MAX = 2**63 - 1
THREADS = 4
TURNS = 10  # of each thread
ODD_TEXTS = (
    "Zoë",
    "a\u0308\u0323",  # combining marks, in an order that normalising would change
    "日本語",
    "\U0001d518🙂",  # outside the basic plane
    " leading, and trailing ",
    "line\nbreak\r\n\ttab",
    "nul\0inside",
    "'; DROP TABLE t; --",
    "%s ? :name $1 {x}",
    "NULL",
    "0",
    "\ufeff",
    "x" * 1_000,
)


def expire_all(store: Store, before: int, *, most: int = 2) -> None:
    """Forget the keys of all instances that ended before a time, so many instances in each transaction."""
    place = None
    while place != 0:
        with store.transaction() as transaction:
            place = transaction.expire_keys(before=before, place=place or 0, most=most)
            transaction.commit()


def evidence_of(reader: Reader, instance: str) -> list[Found]:
    """Read every row that says it belongs to an instance."""
    return reader.evidence(instance, reader.places([instance]).get(instance, []))


class Chain:
    """Makes the drafts of one instance, each chained to the one before it. No field has the value of another."""

    def __init__(self, instance: str, *, workflow: str = "Order", definition: str = "chart one") -> None:
        self.instance = instance
        self.workflow = workflow
        self.definition = definition
        self.secret = b"secret of 16 byt"
        self.previous = genesis(instance, workflow, self.secret)
        self.version = 0
        self.after = ""

    def next(
        self,
        *,
        key: str | None = None,
        told: tuple[str | None, str | None] = (None, None),
        after: str = "cart",
        image: bytes = b'{"total":1}',
        outcome: str | None = None,
        number: int = 10,
        kind: int = KIND_IMAGE,
    ) -> Draft:
        """Return the draft of the next version; `told` is actor and note, `number` shifts the integers."""
        self.version += 1
        record = Record(
            instance=self.instance,
            workflow=self.workflow,
            version=self.version,
            fingerprint=self.fingerprint,
            event="perdure.start" if self.version == 1 else "Submit",
            before=self.after,
            after=after,
            revision=number + 1,
            epoch=number + 2,
            incarnation=number + 3,
            key=key,
            actor=told[0],
            note=told[1],
            time=number + 4,
            token=b"token" + bytes([self.version]),
            kind=kind,
            body=b'{"event":{"n":%d},"image":{"total":1}}' % self.version,
        )
        rest, digest = digests(record)
        own = head_hash(self.previous, digest, image)
        keys = () if key is None else (self.key_record(key, record),)
        chained, stored = (own, self.previous, rest), (image_digest(image), image)
        head = head_of(record, chained, stored, secret=self.secret, outcome=outcome)
        done = Draft(record, head, image, self.definition, keys)
        self.previous, self.after = own, after
        return done

    def key_record(self, key: str, record: Record) -> KeyRecord:
        """Return what a key of this version stands for."""
        kind = "start" if record.version == 1 else "send"
        digest = b"digest" + key.encode()
        return KeyRecord(self.instance, kind, key, record.version, digest, record.after, f"why {key}", record.time + 1)

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that stand for the chart's text."""
        return self.definition.encode().ljust(32, b".")[:32]


def write(store: Store, *batch: Draft) -> None:
    """Append one batch and commit it."""
    with store.transaction() as transaction:
        transaction.append(batch)
        transaction.commit()


def rows_of(*drafts: Draft) -> list[Row]:
    """Return the journal rows that drafts become."""
    return [Row(draft.record, draft.head.hash) for draft in drafts]


def generation_of(store: Store) -> int:
    """Return the generation that a transaction of now has."""
    with store.transaction() as transaction:
        return transaction.generation


def aside(work: Callable[[], object]) -> None:
    """Run something in another thread to its end, and raise here what it raises there."""
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again by the caller's thread
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def raised(kind: type[BaseException], work: Callable[[], object]) -> BaseException:
    """Return the exception of this kind that something raises; anything else fails the test."""
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def append(transaction: Transaction, *batch: Draft) -> Callable[[], None]:
    """Return a call that appends a batch."""
    return lambda: transaction.append(batch)


def for_absent(source: Transaction | Reader) -> None:
    """Assert that rows and definitions that do not exist read as None."""
    assert source.row("absent", 1) is None
    assert source.row("i-1", 0) is None
    assert source.row("i-1", 2) is None
    assert source.definition(b"absent") is None


def assert_outcome(store: Store, instance: str, outcome: str | None) -> None:
    """Assert how an instance ended."""
    with store.reader() as reader:
        head = reader.head(instance)
    assert head is not None
    assert head.outcome == outcome


def assert_seen(reader: Reader, drafts: Sequence[Draft]) -> None:
    """Assert that a reader sees one instance, made of these drafts, and no more."""
    instance = drafts[-1].record.instance
    assert reader.head(instance) == drafts[-1].head
    assert reader.journal(instance) == rows_of(*drafts)
    assert reader.keys(instance) == [key for draft in drafts for key in draft.keys]
    assert [sealed.hash for sealed in reader.lane()] == [draft.head.hash for draft in drafts]


def assert_seen_in(store: Store, drafts: Sequence[Draft]) -> None:
    """Assert that a store holds one instance, made of these drafts, and no more."""
    with store.reader() as reader:
        assert list(reader.instances()) == [drafts[-1].record.instance]
        assert_seen(reader, drafts)


def assert_only(store: Store, first: Draft) -> None:
    """Assert that nothing exists but this start."""
    assert_seen_in(store, [first])
    with store.transaction() as transaction:
        assert transaction.heads(["i-1", "i-2"]) == {"i-1": first.head}
        assert transaction.keys([("i-1", "send", "k"), ("i-2", "start", "k")]) == {}
        assert transaction.definition(b"lost".ljust(32)) is None


def assert_lane(store: Store, batches: Sequence[Sequence[Draft]]) -> None:
    """Assert that the lane holds these batches, each sealed on its last row."""
    expected: list[Sealed] = []
    seal = NO_SEAL
    for batch in batches:
        first = len(expected) + 1
        seal = seal_of(seal, first, tuple(draft.head.hash for draft in batch))
        for draft in batch:
            is_last = draft is batch[-1]
            expected.append(Sealed(len(expected) + 1, draft.head.hash, seal if is_last else None))
    with store.reader() as reader:
        assert list(reader.lane()) == expected
