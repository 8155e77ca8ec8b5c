"""Stores with many instances or many rows, written through the store's own `append` and its own commits.

The transitions are those that an engine decided, captured on their way into a store in memory; each copy gets an id,
a version and a token of its own and is hashed onto its own chain. So every head is sound and admitted like any other;
what is saved is deciding the same thing a million times.
"""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast

from attrs import evolve

from benchmarks.durable.work import Lamp, Tick
from persistence import Draft, MemoryStore, Record, SQLiteStore, Store, Transaction
from persistence.records import digests, genesis, head_hash, head_of
from statemachine import Engine

__all__ = ["build", "id_of"]

BATCH = 1_000  # transitions a commit
TEMPLATES = 5  # versions captured; the last two, which lead back to each other, stand for all that follow


def build(path: Path, *, instances: int, versions: int = 1, say: Callable[[str], None]) -> list[str]:
    """Make a store with so many instances at this version, closed cleanly, and return their ids."""
    templates = _captured()
    names = [id_of(number) for number in range(instances)]
    store = SQLiteStore(path)
    try:
        drafts = _copies(templates, names, versions)
        written = 0
        while batch := list(islice(drafts, BATCH)):
            with store.transaction() as transaction:
                transaction.append(batch)
                transaction.commit()
            written += len(batch)
            say(f"{path.name}: {written} of {instances * versions} rows")
    finally:
        store.close()
    os.sync()  # else the disk is busy with it while it is measured
    path.with_suffix(".first").write_text(names[0], encoding="utf-8")
    return names


def id_of(number: int) -> str:
    """Return the id of one of its instances."""
    return f"lamp-{number:07d}"


def _copies(templates: Sequence[Draft], names: Sequence[str], versions: int) -> Iterator[Draft]:
    """Yield the drafts of all instances, version by version: neighbours in the file are of different instances."""
    secret = templates[0].head.secret
    hashes = [genesis(name, templates[0].record.workflow, secret) for name in names]
    for version in range(1, versions + 1):
        template = templates[version - 1 if version <= TEMPLATES else TEMPLATES - 2 + version % 2]
        for number, name in enumerate(names):
            token = (number * versions + version).to_bytes(16, "big")
            copy = _copy(template, evolve(template.record, instance=name, version=version, token=token), hashes[number])
            hashes[number] = copy.head.hash
            yield copy


def _copy(template: Draft, record: Record, previous: bytes) -> Draft:
    rest, digest = digests(record)
    chained, was = (head_hash(previous, digest, template.image), previous, rest), template.head
    head = head_of(record, chained, (was.image_digest, was.image), secret=was.secret, outcome=was.outcome)
    keys = tuple(evolve(key, instance=record.instance, version=record.version) for key in template.keys)
    return Draft(record, head, template.image, template.definition, keys)


def _captured() -> list[Draft]:
    """Return the drafts of one instance's first transitions, as its engine handed them to the store."""
    store = Capturing(MemoryStore())
    with Engine(cast("Store", store), Lamp) as engine:
        lamp = engine.start(Lamp)
        for number in range(1, TEMPLATES):
            lamp.send(Tick(1 + number % 2))
    return store.drafts


class Capturing:
    """A store that keeps the drafts that pass through it."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.drafts: list[Draft] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @contextmanager
    def transaction(self) -> Generator[Any]:
        """Begin writing."""
        with self.inner.transaction() as transaction:
            yield CapturingTransaction(transaction, self.drafts)


class CapturingTransaction:
    """A transaction of it."""

    def __init__(self, inner: Transaction, drafts: list[Draft]) -> None:
        self.inner = inner
        self.drafts = drafts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def append(self, drafts: Sequence[Draft]) -> None:
        """Pass them on, and keep them."""
        self.inner.append(drafts)
        self.drafts.extend(drafts)
