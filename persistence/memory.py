"""A store in memory: the port in its plainest form, for unit tests and as the model that other stores are held against."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from attrs import define, evolve, field

from persistence.errors import Busy, Closed, Conflict, NoSql
from persistence.records import Draft, Head, KeyRecord, Quarantine, Row, Sealed, StoreFacts, seal_of
from persistence.store import Capabilities, Value

__all__ = ["MemoryReader", "MemoryStore", "MemoryTransaction"]

BUSY_SECONDS_MAX = 5.0  # as long as SQLite waits for another process
NO_SQL = "this store has no SQL; use SQLiteStore, or keep such rows in the workflow's data"


@define
class Contents:
    """Everything that is committed."""

    heads: dict[str, Head] = field(factory=dict)
    journals: dict[str, list[Row]] = field(factory=dict)
    keys: dict[tuple[str, str, str], KeyRecord] = field(factory=dict)
    lane: list[Sealed] = field(factory=list)
    definitions: dict[bytes, str] = field(factory=dict)
    marks: dict[str, Quarantine] = field(factory=dict)

    def head(self, instance: str) -> Head | None:
        """Return a head with what a store reads beside it: its newest row and its mark."""
        head = self.heads.get(instance)
        if head is None:
            return None
        rows, mark = self.journals[instance], self.marks.get(instance)
        return evolve(
            head,
            tail_version=rows[-1].record.version if rows else None,
            tail_hash=rows[-1].hash if rows else None,
            quarantine=mark.reason if mark else None,
        )


class MemoryTransaction:
    """The port's Transaction: writes are collected, and done at commit."""

    def __init__(self, contents: Contents, *, generation: int) -> None:
        self._contents = contents
        self._drafts: list[Draft] = []
        self._marks: list[Quarantine] = []
        self.generation = generation

    def heads(self, instances: Sequence[str]) -> dict[str, Head]:
        """Read heads as committed."""
        found = {instance: self._contents.head(instance) for instance in instances}
        return {instance: head for instance, head in found.items() if head is not None}

    def keys(self, wanted: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], KeyRecord]:
        """Read key records by (instance, kind, key)."""
        return {one: self._contents.keys[one] for one in wanted if one in self._contents.keys}

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition of an instance."""
        rows = self._contents.journals.get(instance, [])
        return next((row for row in rows if row.record.version == version), None)

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart."""
        return self._contents.definitions.get(fingerprint)

    @contextmanager
    def member(self) -> Iterator[None]:
        """Bound one decision; there is no SQL that would have to be undone."""
        yield

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Raise NoSql."""
        raise NoSql(NO_SQL)

    def append(self, drafts: Sequence[Draft]) -> None:
        """Collect decided transitions. Raises Conflict."""
        for draft in drafts:
            head = self._contents.heads.get(draft.record.instance)
            expected = (0, None) if head is None else (head.version, head.hash)
            if expected != (draft.record.version - 1, draft.previous_hash if head else None):
                raise Conflict(f"{draft.record.instance}: version {draft.record.version} was taken by somebody else")
        self._drafts.extend(drafts)

    def quarantine(self, mark: Quarantine) -> None:
        """Set an instance aside; a mark that stands is kept."""
        self._marks.append(mark)

    def commit(self) -> None:
        """Do what was collected."""
        contents, drafts = self._contents, self._drafts
        for mark in self._marks:
            contents.marks.setdefault(mark.instance, mark)
        if not drafts:
            return
        previous = contents.lane[-1].seal or b"" if contents.lane else bytes(32)
        seal = seal_of(previous, len(contents.lane) + 1, tuple(draft.hash for draft in drafts))
        for draft in drafts:
            record = draft.record
            contents.heads[record.instance] = draft.head()
            contents.journals.setdefault(record.instance, []).append(Row(record, draft.hash))
            contents.definitions.setdefault(record.fingerprint, draft.definition)
            contents.keys.update({(key.instance, key.kind, key.key): key for key in draft.keys})
            is_last = draft is drafts[-1]
            contents.lane.append(Sealed(len(contents.lane) + 1, draft.hash, seal if is_last else None))
        self._drafts = []


class MemoryReader:
    """The port's Reader."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def instances(self, *, workflow: str | None = None) -> Iterator[str]:
        """Iterate over instance ids, in the order in which they were started."""
        for instance, head in self._contents.heads.items():
            if workflow is None or head.workflow == workflow:
                yield instance

    def head(self, instance: str) -> Head | None:
        """Read one head."""
        return self._contents.head(instance)

    def journal(self, instance: str) -> list[Row]:
        """Read the transitions of one instance, oldest first."""
        return list(self._contents.journals.get(instance, []))

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition of an instance."""
        return next((row for row in self.journal(instance) if row.record.version == version), None)

    def keys(self, instance: str) -> list[KeyRecord]:
        """Read all keys of one instance, by version."""
        found = [key for key in self._contents.keys.values() if key.instance == instance]
        return sorted(found, key=lambda key: key.version)

    def lane(self) -> Iterator[Sealed]:
        """Iterate over all rows in the order of their commits."""
        return iter(self._contents.lane)

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart."""
        return self._contents.definitions.get(fingerprint)

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Raise NoSql."""
        raise NoSql(NO_SQL)


class MemoryStore:
    """Instances in this process's memory. Nothing survives the process."""

    capabilities = Capabilities(sql=False, durable=False)

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._contents = Contents()
        self._is_open = True
        self.facts = StoreFacts(uuid.uuid4().hex, 1, 1, "normal")

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """Begin writing."""
        with self._held():
            yield MemoryTransaction(self._contents, generation=0)

    @contextmanager
    def reader(self) -> Iterator[MemoryReader]:
        """Begin reading."""
        with self._held():
            yield MemoryReader(self._contents)

    @contextmanager
    def _held(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=BUSY_SECONDS_MAX):
            raise Busy(f"other threads held the store for {BUSY_SECONDS_MAX} s; try again")
        try:
            if not self._is_open:
                raise Closed("the store is closed")
            yield
        finally:
            self._lock.release()

    def settle(self) -> None:
        """Do nothing: no owner of a store in memory can be gone."""

    def close(self) -> None:
        """Close it; what it held is gone."""
        self._is_open = False
