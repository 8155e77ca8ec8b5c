"""The engine: workflows on one store, and the doors through which events come in.

The path of one event, in order:
  1. It is checked and encoded on the caller's thread; nothing is locked yet (`statemachine.events`).
  2. It takes its turn, alone or in a batch with others that wait (`statemachine.writer`).
  3. The store's transaction begins: nobody else writes. It is decided and committed (`statemachine.batch`).
  4. Only then is anything remembered, and the sender answered.                                            INV-9

INV-9: nobody is answered before COMMIT has returned, refusals and duplicates included.
"""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, cast

from persistence import BackupFailed, CannotOpen, Checkpoint, Closed, Conflict, NoSql, Reader, Row, Store
from persistence.process import PROCESS
from statemachine.batch import Desk, attempt_at
from statemachine.batches import Batches
from statemachine.definition import Definition
from statemachine.ending import ended_by
from statemachine.errors import DefinitionError, ReentrantCall
from statemachine.events import Request, check_sender, checked_text, start_request
from statemachine.ids import uuid7
from statemachine.instance import Instance
from statemachine.limits import Limits
from statemachine.listing import Filters, Listing, chosen
from statemachine.loading import Loaded, admit
from statemachine.offers import View
from statemachine.proving import proven_rows
from statemachine.runner import FrameRunner
from statemachine.settings import check_settings, clock_of
from statemachine.snapshot import Snapshot, Snapshots
from statemachine.tasks import check_runnable
from statemachine.transition import Transition
from statemachine.usertables import ReadingSql
from statemachine.versions import Naming, Version, loaded_at, settled
from statemachine.workflow import Workflow, definition_of
from statemachine.writer import Writer

if TYPE_CHECKING:
    from concurrent.futures import Future

    from statemachine.subscribing import Subscription, Subscriptions
    from statemachine.waiting import Awaiting

__all__ = ["Engine"]

D = TypeVar("D")
T = TypeVar("T")
W = TypeVar("W", bound=Workflow[Any])


class Engine:
    """Workflows on one store. Thread-safe; several processes may open the same file.

    `path` is an SQLite file (made or adopted if need be) or a `Store`. `schema` makes the user's tables. `durability`
    is `full` or `normal`; None is the store's own, `full` for a new one. `anchor` names another place for the anchor.
    `clock` returns microseconds since 1970 UTC. It judges each instance at its first load and never repairs: use
    `recovery.open` for that. Raises StoreError children for what is wrong with the file, DefinitionError for what is no
    workflow. `when_full` says what `submit` does where `limits.calls_max` calls wait: raise Busy, or wait for room.
    """

    def __init__(  # the settings of the design, as keywords
        self,
        path: "str | os.PathLike[str] | Store",
        /,
        *workflows: type[Workflow[Any]],
        schema: str | None = None,
        durability: str | None = None,
        anchor: "str | os.PathLike[str] | None" = None,
        clock: Callable[[], int] | None = None,
        limits: Limits | None = None,
        when_full: Literal["refuse", "wait"] = "refuse",
        read_only: bool = False,
    ) -> None:
        check_settings(limits=limits, clock=clock, when_full=when_full)
        self._definitions: dict[str, Definition] = {}
        for workflow in workflows:
            self._add(definition_of(workflow))
        self.limits = limits or Limits()
        self._clock = clock_of(clock)
        self._pid = PROCESS.pid
        self._waits = when_full == "wait"
        if isinstance(path, (str, os.PathLike)):
            from persistence.sqlite import SQLiteStore  # not before a file is opened: another store needs no apsw

            self.store: Store = SQLiteStore(path, level=durability, schema=schema, anchor=anchor, read_only=read_only)
        elif hasattr(path, "transaction"):
            self.store = path
        else:
            raise CannotOpen(f"{path!r} is neither a path nor a Store; write Engine(path, *workflows)")
        self._desk = Desk(self.store, self.limits, self._clock, self.store.capabilities.sql)
        self._batches = Batches(self._desk)
        self._inside = self._batches.inside
        self._writer = Writer(self._batches, self.limits)
        self._snapshots = Snapshots(self)
        self._heard: Subscriptions | None = None
        self._awaiting: Awaiting | None = None

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
        definition = self.definition(workflow)
        instance = self._new_id() if id is None else checked_text("id", id, self.limits.text_bytes_max)
        request = start_request(definition, data, limits=self.limits, actor=actor, note=note)
        self.check_turn()
        self._writer.send(lambda batch: batch.start(definition, instance, request))
        return Instance(self, definition, instance)

    def get(self, workflow: "Callable[[D], W]", id: str, /) -> "Instance[W, D]":  # the field's word
        """Return the handle of an instance. Raises Refused (`unknown_instance`, `instance_unsound`, …)."""
        definition = self.definition(workflow)
        instance = checked_text("id", id, self.limits.text_bytes_max)
        self.read(definition, instance)
        return Instance(self, definition, instance)

    def list(self, workflow: "Callable[[D], W]", /, **filters: Unpack[Filters]) -> "Listing[Instance[W, D]]":
        """Return the handles of the instances of a workflow, in the order in which they were started.

        `state` (a state, a region, or its name) and `tag` leave those in which such a state is active, `outcome` those
        that ended so, `running` those that have not ended, or that have. Of at most `limit`, the list's `cursor` goes
        on behind them: `after=page.cursor`, until it is None. What is started meanwhile comes behind, whatever moves on
        keeps its place. Filters read what heads say; a head is proven when its handle is used. Raises Refused
        (`invalid_argument`), DefinitionError for a state of another workflow.
        """
        definition = self.definition(workflow)
        found = self.look(lambda reader: chosen(reader, definition, filters, limits=self.limits))
        return found.of(lambda instance: Instance[W, D](self, definition, instance))

    @contextmanager
    def snapshot(self) -> Generator[Snapshot]:
        """Read many instances as they are at this moment, until the block ends, while everybody writes on.

        Neither waits for the other. A snapshot that is held keeps the log from being reused, which grows with all that
        is written meanwhile (past 64 MB the store warns): end it soon. Closing the engine ends it. Raises Busy where
        `limits.snapshots_max` are held, StoreError.
        """
        self.check_turn()
        with self._snapshots.one() as snapshot:
            yield snapshot

    def subscribe(
        self,
        callback: Callable[[Transition], object],
        /,
        *,
        workflow: type[object] | None = None,
        ended: Callable[[str], object] | None = None,
    ) -> "Subscription":
        """Let a callback hear each transition that this engine commits from here on, after its commit.

        In the order of the commits, on a thread of its own: it holds up no writer, and what it raises is logged
        (`perdure`). A replayed key, a refusal and what other processes write are not heard. Where more than
        `limits.unheard_max` wait it is too slow: it hears those that wait, then `ended` is called with the reason, and
        that is the end; nothing in between is left out. Closing the engine ends it too, once what waits was heard,
        within 5 seconds. It is no outbox: what was not heard when the process dies is in `history()` only.
        """
        from statemachine.subscribing import Subscription  # for those who use it

        self.check_turn()
        name = None if workflow is None else self.definition(workflow).name
        made = Subscription(callback, workflow=name, unheard_max=self.limits.unheard_max, ended=ended)
        self._subscriptions().add(made)
        return made

    def _subscriptions(self) -> "Subscriptions":
        from statemachine.subscribing import Subscriptions

        if self._heard is None:
            self._heard = Subscriptions()
            self._desk.hear = self._heard.hear
        return self._heard

    def sql(self) -> "ReadingSql":
        """Return a read-only door to the user's tables. Raises NoSql on a store without SQL."""
        if not self.store.capabilities.sql:
            raise NoSql("this engine's store has no SQL")
        return ReadingSql(self.look)

    def definition(self, workflow: object) -> Definition:
        """Return the compiled form of one of its workflows. Raises DefinitionError."""
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
        self.check_turn()
        return self._writer.send(lambda batch: batch.fire(definition, instance, request))

    def terminate(self, id: str, /, *, why: str, actor: str | None = None) -> Transition:  # the field's word
        """End an instance from outside, whatever state it is in, with the outcome `terminated`. Durable on return.

        One transition, `perdure.terminate`, whose payload says why. States and data stay as they are; no callback runs
        and no invariant is asked, so that what is stuck or no longer fits its class can be ended too. Later events are
        refused (`instance_final`). Doing it again returns the transition on record. Raises Refused
        (`unknown_instance`, `instance_final`, `instance_unsound`, `invalid_argument`), StoreError.
        """
        instance = checked_text("id", id, self.limits.text_bytes_max)
        reason = checked_text("why", why, self.limits.note_bytes_max)
        check_sender(actor, (), limits=self.limits)
        self.check_turn()
        done = self._writer.send(lambda batch: batch.terminate(self._definitions, instance, (reason, actor)))
        return done or ended_by(self.rows(instance))

    def submit(self, definition: Definition, instance: str, request: Request) -> "Future[Transition]":
        """Queue one event and return its future. Raises Busy when too many wait, Closed, ReentrantCall."""
        from statemachine.waiting import Submitted  # only those who do not wait pay for it

        self.check_turn()
        member = Submitted(definition, instance, request, writer=self._writer)
        future = member.future  # which it may have no longer once it is queued
        self._writer.queue(member, waits=self._waits)
        self._writer.begin()
        return future

    @property
    def awaiting(self) -> "Awaiting":
        """The calls of event loops."""
        if self._awaiting is None:
            from statemachine.waiting import Awaiting  # as above; an import for each call takes longer than to queue it

            self._awaiting = Awaiting(self._writer, self.check_turn, self.submit)
        return self._awaiting

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, definition: Definition, instance: str) -> Loaded:
        """Return the last committed head of an instance, judged; what the properties of a handle call."""
        return self.look(lambda reader: self.judged(reader, definition, instance))

    def view(
        self,
        definition: Definition,
        instance: str,
        work: Callable[[View], T],
        *,
        actor: str | None = None,
        roles: tuple[str, ...] = (),
    ) -> T:
        """Read the last committed head, judged, and return what some work finds in it, which may ask its guards."""

        def look(reader: Reader) -> T:
            known = self._judged(reader, definition, instance)
            return work(View(known, roles, partial(self._asking, known, reader, actor, roles=roles)))

        return self.look(lambda reader: self._call(look, reader))

    def look(self, work: Callable[[Reader], T]) -> T:
        """Return what some work reads, as of one moment. Behind an interrupt nothing of it stays open."""
        self.check_turn()
        try:
            with self.store.reader() as reader:
                return work(reader)
        except Exception:
            raise
        except BaseException:
            self._inside.is_torn = True
            self._batches.abandon()
            raise

    def _call(self, work: Callable[[Reader], T], reader: Reader) -> T:
        """Return what some work reads, which may run callbacks."""
        inside = self._inside
        try:
            inside.calls = True
            return work(reader)
        finally:
            inside.calls = False

    def _judged(self, reader: Reader, definition: Definition, instance: str) -> Loaded:
        head = reader.head(instance)
        known = self._desk.heads.get(instance)
        if known is None or head is None or known.head != head or known.definition is not definition:
            known = admit(head, definition, instance, source=reader, has_sql=self.store.capabilities.sql)
        return known

    def judged(self, reader: Reader, definition: Definition, instance: str) -> Loaded:
        """Return a head as a reader sees it, judged; what a snapshot calls."""
        return self._call(lambda reader: self._judged(reader, definition, instance), reader)

    def _asking(self, loaded: Loaded, reader: Reader, actor: str | None, *, roles: tuple[str, ...]) -> FrameRunner:
        """Return an attempt of which only guards are asked."""
        sql = reader if self._desk.has_sql else None
        attempt = attempt_at(self._desk, loaded, self.store.facts.epoch, sql=sql)
        attempt.actor, attempt.roles = actor, roles
        return attempt

    def at(self, definition: Definition, instance: str, place: int | str) -> Version:
        """Return a version of an instance, by number or label; what `Instance.at` calls."""
        loaded = self.look(lambda reader: loaded_at(reader, definition, instance, place=place))
        return Version(loaded, self.rows)

    def checkpoint(self, definition: Definition, instance: str, naming: Naming) -> Checkpoint:
        """Name the newest version of an instance; what `Instance.checkpoint` calls. Durable on return."""
        version = self.read(definition, instance).head.version
        known = self.checkpoints(instance, label=naming.label)
        if not known:
            try:
                return self._writer.send(lambda batch: batch.checkpoint(definition, instance, naming))
            except Conflict:  # somebody else took the label
                known = self.checkpoints(instance, label=naming.label)
                if not known:
                    raise
        return settled(known[0], naming, version=version)

    def checkpoints(self, instance: str, *, label: str | None = None) -> Sequence[Checkpoint]:
        """Return the named checkpoints of an instance, by version."""
        return self.look(lambda reader: reader.checkpoints(instance, label=label))

    def rows(self, instance: str) -> Sequence[Row]:
        """Return the journal of an instance, oldest first, each row proven. Raises Refused `instance_unsound`."""
        return self.look(lambda reader: proven_rows(reader, instance))

    def backup(self, path: "str | os.PathLike[str]", /, *, accept_damage: bool = False) -> tuple[str, ...]:
        """Copy the store as it is at this moment into a file that must not exist, while everybody writes on.

        The copy is opened and read before it gets its name: its pages, every seal, every chain from its first
        transition to its head, the definitions that wrote them, keys and named checkpoints. It keeps the level, is no
        more open than the store was closed cleanly, and has no anchor: who opens it makes one. Returns what is damaged
        in it: nothing, unless `accept_damage`. Durable on return. Copying the file by other means loses what stands in
        its -wal. Raises BackupFailed, StoreFull, CannotOpen; then nothing is left of it.
        """
        from statemachine.backing import damage_of  # for those who use it

        self.check_turn()
        found: tuple[str, ...] = ()

        def prove(copy: Reader) -> None:
            nonlocal found
            found = tuple(damage_of(copy, self._definitions))
            if found and not accept_damage:
                more = "" if len(found) == 1 else f" (and {len(found) - 1} more)"
                raise BackupFailed(
                    f"{os.fspath(path)}: the copy is damaged, as the store is: {found[0]}{more}. Run perdure verify; "
                    "recover the store, or keep the copy all the same with accept_damage=True"
                )

        self.store.backup(os.fspath(path), prove)
        return found

    # -- taking turns --------------------------------------------------------------------------------------------------

    def check_turn(self) -> None:
        """Raise ReentrantCall in a callback of this engine, Closed in a forked child; mend what interrupts tore."""
        if PROCESS.pid != self._pid:
            raise Closed("this engine was opened by the parent process before it forked; fork first, then open one")
        if self._inside.calls:
            raise ReentrantCall("a callback called into the engine that runs it; return first, or use self.raise_")
        if self._inside.is_torn:
            self._batches.abandon()

    def _new_id(self) -> str:
        """Return an id that nobody else makes."""
        return uuid7(self._clock() // 1000, int.from_bytes(os.urandom(10), "big"))

    # -- closing -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the engine and its store, once the calls that are queued have run.

        Closing twice is allowed; in a forked child it does nothing.
        """
        if PROCESS.pid != self._pid:
            return
        self.check_turn()
        self._writer.close()
        if self._heard is not None:
            self._heard.close()
        self._snapshots.close()
        self.store.close()

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
        self.close()
