"""A store in memory: the port in its plainest form, for unit tests and as the model that other stores are held against.

Everything is kept with the number of the commit that wrote it, and a view shows what was committed up to its own
number: a reader never waits and never sees half a commit, the open transaction sees its own writes, which carry the
next number. Undoing takes what carries that number off again.
"""

import threading
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from attrs import evolve

from persistence.block import Block, release_all
from persistence.contents import Contents, Written
from persistence.errors import BackupFailed, Busy, Closed, Conflict, NoSql, StoreError
from persistence.records import (
    KIND_IMAGE,
    Checkpoint,
    Draft,
    Found,
    Head,
    KeyRecord,
    Quarantine,
    Row,
    Sealed,
    Standing,
    StoreFacts,
    Stub,
    seal_of,
)
from persistence.store import PLACE_MIN, Capabilities, Value

__all__ = ["MemoryReader", "MemoryStore", "MemoryTransaction"]

BUSY_SECONDS_MAX = 5.0  # as long as SQLite waits for another process
NO_SEAL = bytes(32)
NO_SQL = "this store has no SQL; use SQLiteStore, or keep such rows in the workflow's data"


class MemoryReader:
    """The port's Reader: what was written up to one commit."""

    def __init__(self, contents: Contents, *, commit: int) -> None:
        self._contents = contents
        self._commit = commit

    def _rows(self, instance: str) -> list[Row]:
        """Return every row of an instance, those too that a stub hides."""
        written = self._contents.journals.get(instance, ())
        return [one.row for commit, one in written if commit <= self._commit]

    def instances(self, *, workflow: str | None = None) -> Iterator[str]:
        """Iterate over instance ids, in the order in which they were started."""
        for instance in list(self._contents.journals):
            head = self.head(instance)
            if head is not None and workflow in {None, head.workflow}:
                yield instance

    def standings(self, workflow: str, *, after: str | None = None, running: bool = False) -> Iterator[Standing]:
        """Iterate over where the instances of a workflow stand, in the order in which they were started."""
        begun = after is None
        for instance in list(self._contents.journals):
            head = self.head(instance)
            if begun and head is not None and head.workflow == workflow and not (running and head.outcome is not None):
                yield Standing(instance, head.configuration, head.outcome)
            begun = begun or instance == after

    def newest(self, rows: int) -> list[str]:
        """Return the ids of the instances that so many of the newest rows are of, in the order of their start."""
        hashes = {sealed.hash for sealed in list(self.lane())[-rows:]}
        return [name for name in self.instances() if any(row.hash in hashes for row in self.journal(name))]

    def head(self, instance: str) -> Head | None:
        """Read one head, with its mark."""
        written = self._contents.journals.get(instance, ())
        newest = next((one.head for commit, one in reversed(written) if commit <= self._commit), None)
        if newest is None:
            return None
        marked, mark = self._contents.marks.get(instance, (0, None))
        return evolve(newest, quarantine=mark.reason if mark and marked <= self._commit else None)

    def journal(self, instance: str) -> list[Row]:
        """Read the transitions of one instance, oldest first."""
        hidden = {stub.version for stub in self.stubs(instance)}
        return [row for row in self._rows(instance) if row.record.version not in hidden]

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition of an instance."""
        rows = self._rows(instance)
        if not 0 < version <= len(rows) or any(stub.version == version for stub in self.stubs(instance)):
            return None
        return rows[version - 1]

    def rows_to(self, instance: str, version: int, *, near: int = 0) -> list[Row]:
        """Read the rows that prove a version."""
        del near  # nothing leads to a row here but its version
        rows = [row for row in self.journal(instance) if row.record.version <= version]
        if not rows or rows[-1].record.version != version:
            return []
        whole = (place for place in range(len(rows) - 1, 0, -1) if rows[place].record.kind == KIND_IMAGE)
        return rows[max(0, min(next(whole, 0), len(rows) - 2)) :]

    def stubs(self, instance: str) -> list[Stub]:
        """Read what the rows of an instance that were set aside left in their places, by version."""
        found = [stub for commit, stub in list(self._contents.stubs.values()) if commit <= self._commit]
        return sorted((stub for stub in found if stub.instance == instance), key=lambda stub: stub.version)

    def places(self, instances: Sequence[str], *, first: int = PLACE_MIN) -> dict[str, list[int]]:
        """Return the n of every row of some instances from `first` on."""
        places = {sealed.hash: sealed.n for sealed in self.lane()}
        known = [instance for instance in instances if self.head(instance) is not None]
        found = {instance: [places[row.hash] for row in self.journal(instance)] for instance in known}
        return {instance: [n for n in of_it if n >= first] for instance, of_it in found.items()}

    def evidence(self, instance: str, places: Sequence[int]) -> list[Found]:
        """Read the rows of an instance at some places."""
        found = {sealed.hash: sealed.n for sealed in self.lane()}
        mine = [Found(found[row.hash], row.record.version, row.hash, row) for row in self.journal(instance)]
        return [one for one in mine if one.n in set(places)]

    def row_counts(self) -> dict[str, int]:
        """Count the rows that are kept for each instance."""
        return {instance: len(self.journal(instance)) for instance in self.instances()}

    def damage(self) -> list[str]:
        """Return nothing: there is no file."""
        return []

    def malformed(self) -> list[str]:
        """Return nothing: there is no file."""
        return []

    def key(self, name: tuple[str, str, str]) -> KeyRecord | None:
        """Read one key record by (instance, kind, key)."""
        written, known = self._contents.keys.get(name, (0, None))
        return known if written <= self._commit else None

    def keys(self, instance: str) -> list[KeyRecord]:
        """Read all keys of one instance, by version, kind and key."""
        found = [known for commit, known in list(self._contents.keys.values()) if commit <= self._commit]
        mine = [known for known in found if known.instance == instance]
        return sorted(mine, key=lambda known: (known.version, known.kind, known.key))

    def checkpoints(self, instance: str, *, label: str | None = None) -> list[Checkpoint]:
        """Read the named checkpoints of one instance, by version and label."""
        found = [named for commit, named in list(self._contents.checkpoints.values()) if commit <= self._commit]
        mine = [named for named in found if named.instance == instance and label in {None, named.label}]
        return sorted(mine, key=lambda named: (named.version, named.label))

    def labels(self, instance: str) -> list[tuple[str, bytes]]:
        """Read label and hash of the named checkpoints of one instance, by label."""
        return sorted((named.label, named.hash) for named in self.checkpoints(instance))

    def lane(self) -> Iterator[Sealed]:
        """Iterate over all rows in the order of their commits."""
        for commit, sealed in list(self._contents.lane):
            if commit <= self._commit:
                written, stub = self._contents.stubs.get(sealed.n, (self._commit + 1, None))
                is_stub = stub is not None and written <= self._commit
                yield Sealed(stub.n, stub.hash, stub.seal) if stub is not None and is_stub else sealed

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart."""
        written, text = self._contents.definitions.get(fingerprint, (0, None))
        return text if written <= self._commit else None

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Raise NoSql."""
        del statement, parameters, writable
        raise NoSql(NO_SQL)


class MemoryTransaction:
    """The port's Transaction: writes are done at once, seen by it alone, and undone if they are not committed."""

    def __init__(self, contents: Contents, *, generation: int) -> None:
        self._contents = contents
        self._commit = contents.commits + 1
        self._view = MemoryReader(contents, commit=self._commit)
        self._is_void = False
        self.generation = generation
        self.has_written = False
        self.has_marked = False
        self.is_ended = False

    def _check_open(self) -> None:
        if self.is_ended:
            raise StoreError("this transaction was committed already, or abandoned; begin another one")

    def _check_fits(self) -> None:
        self._check_open()
        if self._is_void:
            raise Conflict("an append of this transaction did not fit; nothing of it can be committed")

    @property
    def position(self) -> int:
        """How far the lane reaches."""
        return len(self._contents.lane)

    def heads(self, instances: Sequence[str]) -> dict[str, Head]:
        """Read heads as this transaction sees them."""
        found = {instance: self._view.head(instance) for instance in instances}
        return {instance: head for instance, head in found.items() if head is not None}

    def keys(self, wanted: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], KeyRecord]:
        """Read key records by (instance, kind, key)."""
        found = {name: self._view.key(name) for name in wanted}
        return {name: known for name, known in found.items() if known is not None}

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition of an instance."""
        return self._view.row(instance, version)

    def rows_to(self, instance: str, version: int, *, near: int = 0) -> list[Row]:
        """Read the rows that prove a version."""
        return self._view.rows_to(instance, version, near=near)

    def stubs(self, instance: str) -> list[Stub]:
        """Read what the rows of an instance that were set aside left in their places, by version."""
        return self._view.stubs(instance)

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart."""
        return self._view.definition(fingerprint)

    @contextmanager
    def member(self) -> Generator[None]:
        """Bound one decision; there is no SQL that would have to be undone."""
        yield

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Raise NoSql."""
        del statement, parameters, writable
        raise NoSql(NO_SQL)

    def append(self, drafts: Sequence[Draft]) -> None:
        """Write decided transitions; the last row carries the seal of all of them. Raises Conflict."""
        self._check_fits()
        if not drafts:
            return
        self.has_written = self._is_void = True  # until every draft of it has fitted
        lane = self._contents.lane
        previous = lane[-1][1].seal or NO_SEAL if lane else NO_SEAL
        seal = seal_of(previous, len(lane) + 1, tuple(draft.head.hash for draft in drafts))
        for draft in drafts:
            self._check(draft)
            self._append(draft, seal=seal if draft is drafts[-1] else None)
        self._is_void = False

    def _check(self, draft: Draft) -> None:
        record = draft.record
        head = self._view.head(record.instance)
        stands = (0, draft.head.previous_hash) if head is None else (head.version, head.hash)
        if stands != (record.version - 1, draft.head.previous_hash):
            raise Conflict(f"{record.instance}: version {record.version} was taken by somebody else")
        for key in draft.keys:
            if self._view.key((record.instance, key.kind, key.key)) is not None:
                raise Conflict(f"{record.instance}: key {key.key!r} was taken by somebody else")

    def _append(self, draft: Draft, *, seal: bytes | None) -> None:
        contents, commit, record = self._contents, self._commit, draft.record
        contents.journals.setdefault(record.instance, []).append(
            (commit, Written(Row(record, draft.head.hash), draft.head))
        )
        contents.definitions.setdefault(record.fingerprint, (commit, draft.definition))
        for key in draft.keys:
            placed = evolve(key, n=len(contents.lane) + 1)
            contents.keys[record.instance, key.kind, key.key] = (commit, placed)
        contents.lane.append((commit, Sealed(len(contents.lane) + 1, draft.head.hash, seal)))

    def checkpoint(self, named: Checkpoint) -> None:
        """Name a version of an instance. Raises Conflict."""
        self._check_fits()
        name = (named.instance, named.label)
        if self._view.head(named.instance) is None or name in self._contents.checkpoints:
            raise Conflict(f"{named.instance}: it does not exist, or has a checkpoint {named.label!r}")
        self.has_written = True
        self._contents.checkpoints[name] = (self._commit, named)

    def mend_checkpoint(
        self, instance: str, label: str, proven: tuple[int, bytes, bytes], *, reason: str, time: int
    ) -> None:
        """Give a checkpoint what is proven, at once: here it is what stands there already. Raises Conflict."""
        del reason, time
        self._check_fits()
        commit, named = self._contents.checkpoints.get((instance, label), (0, None))
        if named is None:
            raise Conflict(f"{instance}: there is no checkpoint {label!r}")
        version, row_hash, image = proven
        mended = evolve(named, version=version, hash=row_hash, image=image)
        self._contents.checkpoints[instance, label] = (commit, mended)

    def expire_keys(self, *, before: int, place: int, most: int) -> int:
        """Forget the keys of those of the next instances that ended before a time; return the place behind them."""
        self._check_fits()
        names = list(self._contents.journals)
        first = place % (1 + len(names))
        heads = [self._view.head(name) for name in names[first : first + most]]
        ended = {one.instance for one in heads if one is not None and one.outcome is not None and one.time < before}
        # A reader that began earlier misses them at once, and so does who undoes this: they were due in any case.
        if ended:
            self._contents.keys = {name: value for name, value in self._contents.keys.items() if name[0] not in ended}
        return first + most if len(heads) == most else 0

    def quarantine(self, mark: Quarantine) -> None:
        """Set an instance aside; a mark that stands is kept."""
        self._check_open()
        self.has_written = self.has_marked = True
        if self._view.head(mark.instance) is not None:
            self._contents.marks.setdefault(mark.instance, (self._commit, mark))

    def set_aside(self, stub: Stub, *, rows: Sequence[int], reason: str, time: int) -> None:
        """Hide a row behind its stub; the row itself is kept. Raises Conflict."""
        del rows, reason, time  # pointers and reasons are kept where there is a file to look into
        self._check_fits()
        places = {sealed.hash: sealed.n for _, sealed in self._contents.lane}
        found = self._view.row(stub.instance, stub.version)
        if found is None or places[found.hash] != stub.n:
            raise Conflict(f"{stub.instance}: row {stub.n} is not its version {stub.version}")
        self.has_written = self.has_marked = True
        self._contents.stubs[stub.n] = (self._commit, stub)

    def rebuild(self, head: Head, *, rows: Sequence[int], reason: str, time: int) -> None:
        """Check that this is the head: here a head is always the journal's newest row. Raises Conflict."""
        del reason, time
        self._check_fits()
        evidence = self._view.evidence(head.instance, self._view.places([head.instance]).get(head.instance, []))
        if not evidence or (evidence[-1].n, evidence[-1].hash) != (rows[-1] if rows else 0, head.hash):
            raise Conflict(f"{head.instance}: its newest row is not of version {head.version} and that hash")
        self.has_written = self.has_marked = True

    def commit(self) -> None:
        """Let everybody see what was written."""
        self._check_fits()
        self._contents.commits = self._commit
        self.is_ended = True


class MemoryStore:
    """Instances in this process's memory. Nothing survives the process."""

    capabilities = Capabilities(sql=False, durable=False)

    def __init__(self) -> None:
        self._writing = threading.RLock()
        self._open_transaction: MemoryTransaction | None = None
        self._contents = Contents()
        self._generation = 0
        self._is_open = True
        self.facts = StoreFacts(uuid.uuid4().hex, 1, 1, "normal")

    def _check(self) -> None:
        if not self._is_open:
            raise Closed("the store is closed")

    def transaction(self) -> Block[MemoryTransaction]:
        """Begin writing. What is not committed when the block ends is undone."""
        self._check()
        return Block(self._begin, self._finish)

    def _begin(self) -> MemoryTransaction:
        if not self._writing.acquire(timeout=BUSY_SECONDS_MAX):
            raise Busy(f"other threads held the store for {BUSY_SECONDS_MAX} s; try again")
        if self._open_transaction is not None:
            self._writing.release()
            raise Busy("this thread has a transaction open, and would wait for itself; end that one first")
        try:
            self._check()
            made = self._open_transaction = MemoryTransaction(self._contents, generation=self._generation)
        except BaseException:
            self.abandon()
            raise
        return made

    def _finish(self, begun: MemoryTransaction, error: BaseException | None) -> None:
        """End the transaction, and give the turn back. One that was abandoned has ended: what is open is another."""
        if self._open_transaction is not begun:
            return
        if error is not None and not isinstance(error, Exception):
            self.abandon()
            return
        try:
            self._undo()
            self._writing.release()
        except BaseException:
            self.abandon()
            raise

    def _undo(self) -> None:
        """Undo what was not committed of the transaction that is open."""
        done = self._open_transaction
        if done is not None:
            is_undone = done.has_written and not done.is_ended
            if is_undone:
                self._contents.undo(self._contents.commits + 1)
            if is_undone or done.has_marked:
                self._generation += 1
            done.is_ended = True
        self._open_transaction = None

    def abandon(self) -> None:
        """End what an interrupt left open of this thread's."""
        if self._writing.acquire(blocking=False):  # this thread's, or nobody's
            self._generation += 1
            try:
                self._undo()
            finally:
                release_all(self._writing)

    def reader(self) -> AbstractContextManager[MemoryReader]:
        """Begin reading: one consistent view."""
        self._check()
        return nullcontext(MemoryReader(self._contents, commit=self._contents.commits))

    def snapshot(self) -> AbstractContextManager[MemoryReader]:
        """Begin reading: here every reader is a view of one moment that nobody waits for."""
        return self.reader()

    def backup(self, target: str, prove: Callable[[MemoryReader], None]) -> None:
        """Raise BackupFailed: there is no file."""
        del prove
        raise BackupFailed(f"{target}: a store in memory is not copied into files; use SQLiteStore for what is to last")

    def settle(self) -> None:
        """Do nothing: no owner of a store in memory can be gone."""

    def close(self) -> None:
        """Close it; what it held is gone."""
        self._is_open = False
