"""One transaction of the store and its members: each is decided on what those before it left, all are durable at once.

The path of one event, in order (`fire`):
  1. The head is the one that an earlier member of the batch left, the remembered one, or read and admitted.
  2. A known key answers with what it did. A stale `expect_version` and an ended instance are refused.
  3. `handle` runs guards, actions and invariants on thawed data, the user's SQL too; a handled failure is undone first.
  4. The record is hashed onto the chain: a draft, which the members after it see and nobody else.
Then `commit` writes all drafts, heads, keys and one seal, and only what is committed is remembered.

A member that raises has left nothing: its SQL is undone to its SAVEPOINT, and it has no draft. What goes wrong with the
transaction itself, or with a member after its SQL has run, is the whole batch's: its members are decided again, one by
one.

INV-10: a head that is not sound is never loaded and never written over; the engine does not repair.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from attrs import define, field

from persistence import Checkpoint, Conflict, Draft, Head, KeyRecord, Store, Transaction
from persistence.records import genesis
from persistence.store import Value
from statemachine.decide import decide, handle
from statemachine.definition import Definition
from statemachine.drafting import Notice, draft
from statemachine.ending import TERMINATE, check_sound, end_of
from statemachine.errors import Refused
from statemachine.events import Request
from statemachine.folding import stored_image
from statemachine.frame import SqlPort
from statemachine.limits import Limits
from statemachine.loading import Loaded, admit, configuration_of, memory_of
from statemachine.proving import replay
from statemachine.runner import FrameRunner
from statemachine.step import Macrostep
from statemachine.transition import Transition
from statemachine.versions import Naming

__all__ = ["Batch", "Desk", "attempt_at"]

T = TypeVar("T")

DAY_US = 86_400_000_000
LOOKED_AT = 16  # instances whose keys may be due, each time that one ends: all come round, and none of it is felt


@define(eq=False)
class Desk:
    """What an engine decides with, and what it remembers: heads that were committed, while nobody else writes."""

    store: Store
    limits: Limits
    clock: Callable[[], int]
    has_sql: bool
    heads: dict[str, Loaded] = field(factory=dict[str, Loaded])
    seen: tuple[int, int] = (-1, -1)  # generation and position of the store when `heads` was true
    hear: Callable[[Sequence[Draft]], None] | None = None  # told what was committed, where anybody listens
    keys_place: int = field(factory=lambda: int.from_bytes(os.urandom(7), "big"))  # where to look for keys that are due
    run: bytes = field(factory=lambda: os.urandom(8))
    count: int = 0

    def token(self) -> bytes:
        """Return what tells this record from an equal one of another process."""
        self.count += 1
        return self.run + self.count.to_bytes(8, "big")

    def remember(self, heads: dict[str, Loaded]) -> None:
        """Remember heads that are committed; where that would be too many, nothing but these."""
        if len(self.heads) + len(heads) > self.limits.heads_max:
            self.heads.clear()
        self.heads.update(heads)


class MemberSql:
    """The user's SQL of one member after the other: what a member wrote is bounded from its first statement on."""

    __slots__ = ("_bound", "_transaction")

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._bound: AbstractContextManager[None] | None = None

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run one statement and return all its rows."""
        if self._bound is None:
            bound = self._transaction.member()
            bound.__enter__()
            self._bound = bound
        return self._transaction.execute(statement, parameters, writable=writable)

    def end(self, error: BaseException | None) -> None:
        """End the member as its decision ended. Raises what is wrong with what it wrote, which is undone then."""
        if self._bound is not None:
            bound, self._bound = self._bound, None
            bound.__exit__(None if error is None else type(error), error, None)


class Batch:
    """The members of one transaction. Made under the engine's turn, used by one thread, thrown away."""

    _is_spoilt = False  # a decision became no draft, or half of one: it cannot be undone alone
    _has_named = False
    _has_ended = False  # an instance
    is_committing = False
    is_committed = False

    def __init__(self, desk: Desk, transaction: Transaction) -> None:
        self._desk = desk
        self._transaction = transaction
        self._sql = MemberSql(transaction) if desk.has_sql else None
        self._epoch = desk.store.facts.epoch
        self._drafts: list[Draft] = []
        self._heads: dict[str, Loaded] = {}  # as the drafts leave them
        self._ended: list[str] = []  # terminated: they need not fit their class, and are not remembered
        self._keys: dict[tuple[str, str], tuple[bytes, Transition]] = {}  # of the drafts: digest and answer
        self._asked: dict[tuple[str, str, str], KeyRecord | None] = {}  # what keys stood for before this batch
        seen = (transaction.generation, transaction.position)
        if desk.seen != seen:
            desk.heads.clear()
            desk.seen = seen

    @property
    def size(self) -> int:
        """How many transitions it writes."""
        return len(self._drafts)

    def look_up(self, names: Sequence[tuple[str, str, str]]) -> None:
        """Ask for what keys stand for, of several members at once."""
        found = self._transaction.keys(names)
        self._asked.update((name, found.get(name)) for name in names)

    # -- members -------------------------------------------------------------------------------------------------------

    def start(self, definition: Definition, instance: str, request: Request) -> None:
        """Start an instance; one that exists is left as it is if workflow and initial data agree, else refused."""
        if self._is_started(definition, instance, request):
            return
        secret = os.urandom(16)
        attempt = FrameRunner(definition.decode_data(request.payload))
        attempt.id, attempt.version, attempt.time = instance, 1, self._desk.clock()
        attempt.actor, attempt.note = request.actor, request.note
        attempt.seed, attempt.numbers, attempt.sql = secret, (self._epoch, 1, 1), self._sql
        frozen = definition.freeze(attempt.data)
        done = decide(definition, attempt, frozen, event=None, bound=self._sql)
        previous = genesis(instance, definition.name, secret)
        self._take(definition, attempt, done, request=request, previous=previous)

    def _is_started(self, definition: Definition, instance: str, request: Request) -> bool:
        pending = self._heads.get(instance)
        head = self._transaction.heads([instance]).get(instance) if pending is None else pending.head
        if head is None:
            return False
        if head.workflow != definition.name or self._start_digest(instance) != request.digest:
            reason = f"{instance!r} is an instance of {head.workflow}, started with other data; choose another id"
            raise Refused("id_taken", reason, version=head.version)
        return True

    def _start_digest(self, instance: str) -> bytes:
        """Return the digest of what an instance was started with, in this batch or long ago."""
        if (instance, "") in self._keys:
            return self._keys[instance, ""][0]
        known = self._transaction.keys([(instance, "start", "")])
        return known[instance, "start", ""].digest if known else b""

    def fire(self, definition: Definition, instance: str, request: Request) -> Transition:
        """Run one event of one instance. Raises Refused, InvariantBroken, and whatever a callback raises."""
        loaded = self._load(definition, instance)
        if request.key is not None:
            replayed = self._replay(loaded, request)
            if replayed is not None:
                return replayed
        head = loaded.head
        if request.expect_version is not None or head.outcome is not None:
            _check_ready(loaded, request)
        attempt = attempt_at(self._desk, loaded, self._epoch, sql=self._sql)
        attempt.actor, attempt.note, attempt.roles = request.actor, request.note, request.roles
        event = (request.name, request.handed(definition))
        try:
            attempt, done = handle(definition, attempt, loaded.frozen, event=event, bound=self._sql)
        except Refused as refused:
            refused.version = head.version
            raise
        return self._take(definition, attempt, done, request=request, previous=head.hash, before=loaded)

    def terminate(
        self, definitions: Mapping[str, Definition], instance: str, told: tuple[str, str | None]
    ) -> Transition | None:
        """End an instance from outside, `told` why and by whom; None where it was terminated before. Raises Refused."""
        desk, loaded = self._desk, self._heads.get(instance) or self._desk.heads.get(instance)
        head = self._transaction.heads([instance]).get(instance) if loaded is None else loaded.head
        if head is None:
            raise Refused("unknown_instance", f"there is no instance {instance!r}")
        if loaded is None:
            check_sound(head, self._transaction)
        image = self._stored(head, loaded)
        definition = definitions.get(head.workflow)
        end = Notice(TERMINATE, {"why": told[0]}, told[1], desk.clock(), self._epoch, desk.token(), image)
        done = end_of(self._transaction, definition, head=head, end=end)
        if done is None:
            return None
        self._drafts.append(done)
        if definition is not None:
            where = configuration_of(head.configuration), memory_of(head.configuration)
            self._heads[instance] = Loaded(done.head, definition, *where, image, None)
            self._ended.append(instance)
        self._has_ended = True
        return Transition(done.record, done.head.hash)

    def checkpoint(self, definition: Definition, instance: str, naming: Naming) -> Checkpoint:
        """Name the newest version of an instance. Raises Refused; Conflict where the label is taken."""
        loaded = self._load(definition, instance)
        named = naming.of(loaded.head, self._stored(loaded.head, loaded), time=self._desk.clock())
        self._transaction.checkpoint(named)
        self._has_named = True
        return named

    def _stored(self, head: Head, loaded: Loaded | None) -> bytes:
        """Return the image of a head as it is stored, where its class may write it otherwise."""
        if loaded is not None and loaded.definition.fingerprint == head.fingerprint:
            return loaded.image
        return stored_image(head, self._transaction)

    def _replay(self, loaded: Loaded, request: Request) -> Transition | None:
        assert request.key is not None
        pending = self._keys.get((loaded.head.instance, request.key))
        if pending is None:
            name = (loaded.head.instance, "send", request.key)
            known = self._asked[name] if name in self._asked else self._transaction.keys((name,)).get(name)
            return None if known is None else replay(self._transaction, loaded, request, known=known)
        digest, done = pending
        if digest != request.digest:
            reason = f"key {request.key!r} was used for another event or payload at version {done.version}"
            raise Refused("key_reused", reason, state=loaded.configuration, version=loaded.head.version)
        return done.again()

    def _load(self, definition: Definition, instance: str) -> Loaded:
        loaded = self._heads.get(instance) or self._desk.heads.get(instance)
        if loaded is None or loaded.definition is not definition:
            head = self._transaction.heads([instance]).get(instance)
            loaded = admit(head, definition, instance, source=self._transaction, has_sql=self._sql is not None)
            self._desk.remember({instance: loaded})
        return loaded

    # -- what they decided ---------------------------------------------------------------------------------------------

    def _take(
        self,
        definition: Definition,
        attempt: FrameRunner,
        step: Macrostep,
        *,
        request: Request,
        previous: bytes,  # the hash before it
        before: Loaded | None = None,
    ) -> Transition:
        """Make a draft of what was decided."""
        desk, frozen = self._desk, attempt.frozen
        try:
            was = (before.frozen, before.parts) if before is not None and before.parts else None
            image = definition.image_of(attempt.data, frozen, was)
            done = draft(
                definition,
                attempt,
                step,
                image=image,
                request=request,
                previous=previous,
                before=before,
                token=desk.token(),
                limits=desk.limits,
            )
            self._drafts.append(done)
            if step.outcome is not None:
                self._has_ended = True
            self._heads[attempt.id] = Loaded(done.head, definition, step.after, step.memory, image[0], frozen, image[1])
            transition = Transition(done.record, done.head.hash)
            for key in done.keys:
                self._keys[attempt.id, key.key] = key.digest, transition
        except BaseException:
            self._is_spoilt = True
            raise
        return transition

    def commit(self) -> None:
        """Append and commit; remember only once that has returned. Raises Conflict, StoreError, InDoubt.

        Where nothing was decided it only makes sure that the transaction still stands.
        """
        desk, transaction = self._desk, self._transaction
        if self._is_spoilt:
            raise Conflict("a member failed after its SQL had run; the others are decided without it")
        transaction.append(self._drafts)
        if not self._drafts and not self._has_named:
            return
        if self._has_ended:
            self._expire_keys()
        self.is_committing = True
        transaction.commit()
        self.is_committed = True
        desk.seen = (transaction.generation, transaction.position)
        desk.remember(self._heads)
        for instance in self._ended:
            desk.heads.pop(instance, None)
        if desk.hear is not None:
            desk.hear(self._drafts)

    def _expire_keys(self) -> None:
        """Forget the keys of a few instances that ended long ago: with each end, so that they do not pile up."""
        desk, place = self._desk, self._desk.keys_place
        desk.keys_place = place + LOOKED_AT  # where what stands there cannot be read, the next one looks elsewhere
        before = self._drafts[-1].record.time - desk.limits.key_days * DAY_US
        desk.keys_place = self._transaction.expire_keys(before=before, place=place, most=LOOKED_AT)


def attempt_at(desk: Desk, loaded: Loaded, epoch: int, *, sql: SqlPort | None) -> FrameRunner:
    """Return an attempt at the next version of an instance, on data of its own."""
    head = loaded.head
    attempt = FrameRunner(loaded.definition.thaw(loaded.frozen))
    attempt.id = head.instance
    attempt.version = version = head.version + 1
    attempt.time = max(desk.clock(), head.time)
    attempt.seed = head.secret
    attempt.numbers = (epoch, head.incarnation, version)
    attempt.sql = sql
    attempt.configuration = loaded.configuration
    attempt.memory = loaded.memory
    return attempt


def _check_ready(loaded: Loaded, request: Request) -> None:
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
