"""The engine: one transition is one transaction of the store.

The path of one event, in order (`_fire`):
  1. The event is checked and encoded; nothing is locked yet.
  2. The store's transaction begins: nobody else writes. Heads that were remembered are dropped if anybody else wrote.
  3. A known key answers with what it did. A stale `expect_version` and an ended instance are refused.
  4. `handle` runs guards, actions and invariants on thawed data, the user's SQL too; a handled failure is undone first.
  5. The record is hashed onto the chain; row, head, key and seal are written; COMMIT.
  6. Only then is anything remembered, and the sender answered.                                            INV-9

INV-9: nobody is answered before COMMIT has returned, refusals and duplicates included.
INV-10: a head that is not sound is never loaded and never written over; the engine does not repair.
"""

import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from persistence import Busy, CannotOpen, Closed, Draft, Head, NoSql, Reader, Row, Store, Transaction
from persistence.records import genesis
from statemachine.admission import Judgement, Verdict, judge_head
from statemachine.decide import decide_start, handle
from statemachine.definition import Definition
from statemachine.drafting import Link, draft, link_after
from statemachine.errors import DataError, DefinitionError, ReentrantCall, Refused
from statemachine.events import Request, checked_text, start_request
from statemachine.frame import Attempt, SqlPort
from statemachine.ids import uuid7
from statemachine.instance import Instance
from statemachine.limits import Limits
from statemachine.loading import Loaded, configuration_of, examine
from statemachine.offers import View
from statemachine.proving import check_chain, replay
from statemachine.tasks import check_runnable
from statemachine.transition import Transition
from statemachine.usertables import ReadingSql
from statemachine.waiting import Queue
from statemachine.workflow import Workflow, definition_of

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Engine"]

D = TypeVar("D")
T = TypeVar("T")
W = TypeVar("W", bound=Workflow[Any])

TURN_SECONDS_MAX = 10.0  # how long a sender waits for other threads of its process; longer waits hide a stuck callback


def _system_clock() -> int:
    return time.time_ns() // 1000


class Engine:
    """Workflows on one store. Thread-safe; several processes may open the same file.

    `path` is an SQLite file (made or adopted if need be) or a `Store`. `schema` makes the user's tables. `durability`
    is `full` or `normal`; None is the store's own, `full` for a new one. `clock` returns microseconds since 1970 UTC.
    It judges each instance at its first load and never repairs: use `recovery.open` for that. Raises StoreError
    children for what is wrong with the file, DefinitionError for what is no workflow.
    """

    def __init__(  # the settings of the design, as keywords
        self,
        path: "str | os.PathLike[str] | Store",
        /,
        *workflows: type[Workflow[Any]],
        schema: str | None = None,
        durability: str | None = None,
        clock: Callable[[], int] | None = None,
        limits: Limits | None = None,
        read_only: bool = False,
    ) -> None:
        self._definitions: dict[str, Definition] = {}
        for workflow in workflows:
            self._add(definition_of(workflow))
        self.limits = limits or Limits()
        self._clock = clock or _system_clock
        self._turn_lock = threading.Lock()
        self._pid = os.getpid()
        self._inside = threading.local()  # .calls: this thread runs a callback of this engine's
        self._queue = Queue(self.limits.calls_max)
        self._heads: dict[str, Loaded] = {}
        self._seen = (-1, -1)  # generation and position of the store when `_heads` was true
        self._run = os.urandom(8)
        self._count = 0
        if isinstance(path, (str, os.PathLike)):
            from persistence.sqlite import SQLiteStore  # not before a file is opened: another store needs no apsw

            self.store: Store = SQLiteStore(path, level=durability, schema=schema, read_only=read_only)
        elif hasattr(path, "transaction"):
            self.store = path
        else:
            raise CannotOpen(f"{path!r} is neither a path nor a Store; write Engine(path, *workflows)")

    def _add(self, definition: Definition) -> None:
        other = self._definitions.setdefault(definition.name, definition)
        if other is not definition:
            raise DefinitionError(
                "PD150", f"two workflows of this engine are stored as {definition.name!r}. Give one of them name=…."
            )

    # -- starting and finding ------------------------------------------------------------------------------------------

    def start(
        self,
        workflow: "Callable[[D], W]",
        data: "D | None" = None,
        /,
        *,
        id: str | None = None,  # the field's word
        actor: str | None = None,
        note: str | None = None,
    ) -> "Instance[W, D]":
        """Start an instance and return its handle. Durable on return.

        `data` is the initial data, by default made of its fields' defaults. An id is made if none is given. An id that
        exists is returned unchanged if workflow and initial data agree. Raises Refused (`id_taken`, `invalid_payload`,
        `invalid_argument`), InvariantBroken, StoreError, and whatever an entry action raises.
        """
        definition = self._definition(workflow)
        instance = self._new_id() if id is None else checked_text("id", id, self.limits.text_bytes_max)
        request = start_request(definition, data, limits=self.limits, actor=actor, note=note)
        with self._turn() as transaction:
            self._start(transaction, definition, request, instance=instance)
        return Instance(self, definition, instance)

    def _start(self, transaction: Transaction, definition: Definition, request: Request, *, instance: str) -> None:
        head = transaction.heads([instance]).get(instance)
        if head is not None:
            known = transaction.keys([(instance, "start", "")]).get((instance, "start", ""))
            if head.workflow != definition.name or known is None or known.digest != request.digest:
                reason = f"{instance!r} is an instance of {head.workflow}, started with other data; choose another id"
                raise Refused("id_taken", reason, version=head.version)
            return
        secret = os.urandom(16)
        attempt = Attempt(
            data=definition.decode_data(request.payload),
            id=instance,
            version=1,
            time=self._clock(),
            actor=request.actor,
            note=request.note,
            seed=self._seed(secret, 1, 1),
            sql=self._sql_port(transaction),
        )
        with transaction.member():
            decision = decide_start(definition, attempt, request.payload)
        genesis_hash, inline = genesis(instance, definition.name, secret), self.limits.inline_bytes_max
        link = Link(genesis_hash, secret, self.store.facts.epoch, 1, self._token(), inline_bytes_max=inline)
        self._commit(transaction, definition, draft(definition, attempt, decision, request=request, link=link))

    def get(self, workflow: "Callable[[D], W]", id: str, /) -> "Instance[W, D]":  # the field's word
        """Return the handle of an instance. Raises Refused (`unknown_instance`, `instance_unsound`, …)."""
        definition = self._definition(workflow)
        instance = checked_text("id", id, self.limits.text_bytes_max)
        self.read(definition, instance)
        return Instance(self, definition, instance)

    def list(self, workflow: "Callable[[D], W]", /) -> "list[Instance[W, D]]":
        """Return the handles of all instances of a workflow, in the order in which they were started."""
        definition = self._definition(workflow)
        self.check_turn()
        with self.store.reader() as reader:
            return [Instance(self, definition, instance) for instance in reader.instances(workflow=definition.name)]

    def sql(self) -> "ReadingSql":
        """Return a read-only door to the user's tables. Raises NoSql on a store without SQL."""
        if not self.store.capabilities.sql:
            raise NoSql("this engine's store has no SQL")
        return ReadingSql(self.store, self.check_turn)

    def _definition(self, workflow: object) -> Definition:
        definition = definition_of(cast("type[Any]", workflow))
        if self._definitions.get(definition.name) is not definition:
            raise DefinitionError(
                "PD151", f"{definition.name} is not one of this engine's workflows. Write Engine(path, …, Class)."
            )
        check_runnable(definition.name, definition.tasks, definition.timers)
        return definition

    # -- one event -----------------------------------------------------------------------------------------------------

    def fire(self, definition: Definition, instance: str, request: Request) -> Transition:
        """Run one event of one instance; what `Instance.send` calls. Durable on return."""
        with self._turn() as transaction:
            return self._fire(transaction, definition, request, instance=instance)

    def _fire(self, transaction: Transaction, definition: Definition, request: Request, *, instance: str) -> Transition:
        loaded = self._load(transaction, definition, instance)
        if request.key is not None:
            replayed = replay(transaction, loaded, request)
            if replayed is not None:
                return replayed
        self._check_ready(loaded, request)
        sql, event = self._sql_port(transaction), (request.name, request.event)
        begin = partial(self._attempt, loaded, sql, actor=request.actor, note=request.note, roles=request.roles)
        try:
            attempt, decision = handle(definition, begin, loaded.image, event=event, bound=transaction.member)
        except Refused as refused:
            refused.version = loaded.head.version
            raise
        link = link_after(loaded, epoch=self.store.facts.epoch, token=self._token(), limits=self.limits)
        done = draft(definition, attempt, decision, request=request, link=link)
        self._commit(transaction, definition, done)
        return Transition(done.record, done.hash)

    def _attempt(
        self, loaded: Loaded, sql: SqlPort | None, *, actor: str | None, roles: tuple[str, ...], note: str | None = None
    ) -> Attempt:
        """Return an attempt at the next version of an instance, on data of its own."""
        head = loaded.head
        return Attempt(
            data=loaded.definition.decode_data(loaded.image),
            id=head.instance,
            version=head.version + 1,
            time=max(self._clock(), head.time),
            actor=actor,
            note=note,
            roles=roles,
            seed=self._seed(head.secret, head.incarnation, head.version + 1),
            sql=sql,
            configuration=loaded.configuration,
            memory=loaded.memory,
        )

    def _check_ready(self, loaded: Loaded, request: Request) -> None:
        head = loaded.head
        if request.expect_version is not None and request.expect_version != head.version:
            raise Refused(
                "stale_version",
                f"expected version {request.expect_version}, it is at {head.version}",
                state=loaded.configuration,
                version=head.version,
                enabled=loaded.definition.chart.events(loaded.configuration),
            )
        if head.outcome is not None:
            raise Refused(
                "instance_final",
                f"{head.instance!r} ended as {head.outcome}",
                state=loaded.configuration,
                version=head.version,
            )

    def _seed(self, secret: bytes, incarnation: int, version: int) -> bytes:
        numbers = (self.store.facts.epoch, incarnation, version)
        return secret + b"".join(number.to_bytes(8, "big") for number in numbers)

    # -- writing -------------------------------------------------------------------------------------------------------

    def _commit(self, transaction: Transaction, definition: Definition, done: Draft) -> None:
        """Append and commit; remember only once that has returned."""
        if len(done.image) > self.limits.data_bytes_max:
            raise DataError(
                f"{definition.name}: the data would have {len(done.image)} bytes; at most {self.limits.data_bytes_max}"
            )
        transaction.append([done])
        transaction.commit()
        self._seen = (transaction.generation, transaction.position)
        if len(self._heads) >= self.limits.heads_max:
            self._heads.clear()
        configuration = configuration_of(done.record.after)
        self._heads[done.record.instance] = Loaded(done.head(), definition, configuration, done.image)

    def _token(self) -> bytes:
        self._count += 1
        return self._run + self._count.to_bytes(8, "big")

    def _sql_port(self, transaction: Transaction) -> SqlPort | None:
        return transaction if self.store.capabilities.sql else None

    # -- loading -------------------------------------------------------------------------------------------------------

    def _load(self, transaction: Transaction, definition: Definition, instance: str) -> Loaded:
        loaded = self._heads.get(instance)
        if loaded is None or loaded.definition is not definition:
            head = transaction.heads([instance]).get(instance)
            loaded = self._admit(head, definition, instance=instance, source=transaction)
            self._heads[instance] = loaded
        return loaded

    def _admit(
        self, head: Head | None, definition: Definition, *, instance: str, source: Transaction | Reader
    ) -> Loaded:
        """Judge a head that was read from the store. Raises Refused for one that cannot be used; writes nothing."""
        if head is None or (head.workflow and head.workflow != definition.name):
            found = "" if head is None else f"; that id is an instance of {head.workflow}"
            raise Refused("unknown_instance", f"there is no instance {instance!r} of {definition.name}{found}")
        facts = examine(head, definition, source=source, has_sql=self.store.capabilities.sql)
        judgement, image = judge_head(facts), facts.image
        if not judgement.is_usable or image is None:
            raise _unusable(instance, head, judgement)
        if head.fingerprint != definition.fingerprint:
            image = definition.encode_data(definition.decode_data(image))
        return Loaded(head, definition, configuration_of(head.configuration), image)

    def read(self, definition: Definition, instance: str) -> Loaded:
        """Return the last committed head of an instance, judged; what the properties of a handle call."""
        with self.viewing(definition, instance) as view:
            return view.loaded

    @contextmanager
    def viewing(
        self, definition: Definition, instance: str, *, actor: str | None = None, roles: tuple[str, ...] = ()
    ) -> Generator[View]:
        """Read the last committed head, judged, and let guards be asked on it while the block is open."""
        self.check_turn()
        with self._calling(), self.store.reader() as reader:
            head = reader.head(instance)
            known = self._heads.get(instance)
            if known is None or head is None or known.head != head or known.definition is not definition:
                known = self._admit(head, definition, instance=instance, source=reader)
            sql = reader if self.store.capabilities.sql else None
            yield View(known, roles, partial(self._attempt, known, sql, actor=actor, roles=roles))

    def rows(self, instance: str) -> Sequence[Row]:
        """Return the journal of an instance, oldest first, each row proven. Raises Refused `instance_unsound`."""
        self.check_turn()
        with self.store.reader() as reader:
            head, rows, stubs = reader.head(instance), reader.journal(instance), reader.stubs(instance)
        if head is None:
            raise Refused("unknown_instance", f"there is no instance {instance!r}")
        check_chain(head, rows, stubs)
        return rows

    # -- taking turns --------------------------------------------------------------------------------------------------

    def check_turn(self) -> None:
        """Raise ReentrantCall in a callback of this engine, Closed in a forked child."""
        if getattr(self._inside, "calls", False):
            raise ReentrantCall("a callback called into the engine that runs it; return first, or use self.raise_")
        if os.getpid() != self._pid:
            raise Closed("this engine was opened by the parent process; open another one after a fork")

    @contextmanager
    def _calling(self) -> Generator[None]:
        """Mark this thread as running callbacks, until the block ends."""
        self._inside.calls = True
        try:
            yield
        finally:
            self._inside.calls = False

    @contextmanager
    def _turn(self) -> Generator[Transaction]:
        """Take this engine's turn and begin the store's transaction."""
        self.check_turn()
        if not self._turn_lock.acquire(timeout=TURN_SECONDS_MAX):
            raise Busy(f"other threads used this engine for {TURN_SECONDS_MAX} s; nothing happened, try again")
        try:
            with self._calling(), self.store.transaction() as transaction:
                if self._seen != (transaction.generation, transaction.position):
                    self._heads.clear()
                    self._seen = (transaction.generation, transaction.position)
                yield transaction
        except BaseException as error:
            if not isinstance(error, Refused):
                self._heads.clear()
            raise
        finally:
            self._turn_lock.release()

    def _new_id(self) -> str:
        """Return an id that nobody else makes."""
        return uuid7(self._clock() // 1000, int.from_bytes(os.urandom(10), "big"))

    def enqueue(self, call: "Callable[[], T]") -> "Future[T]":
        """Let a call run after those that were queued before it; what `submit`, `asend` and `afire` of a handle use.

        Raises Busy when too many wait, Closed, ReentrantCall.
        """
        self.check_turn()
        return self._queue.add(call)

    # -- closing -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the engine and its store, once the calls that are queued have run.

        Closing twice is allowed; in a forked child it does nothing.
        """
        if os.getpid() != self._pid:
            return
        self.check_turn()
        self._queue.close()
        self.store.close()

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
        self.close()


def _unusable(instance: str, head: Head, judgement: Judgement) -> Refused:
    if judgement.verdict is Verdict.NEEDS_MIGRATION:
        code, repair = "needs_migration", "open it with a class that fits, or mend the invariant or what it reads"
    else:
        code = "instance_unsound"
        repair = "nothing was loaded or written; perdure recover FILE MODULE:CLASS repairs what can be repaired"
        if head.quarantine is not None:
            repair = "it was set aside; perdure verify FILE MODULE:CLASS says up to which version it is sound"
    return Refused(code, f"{instance!r}: {judgement.reason}; {repair}", version=head.version)
