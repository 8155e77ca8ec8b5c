"""The door for agents: an event's name and JSON in, one outcome out, which `json.dumps` takes.

Whatever a caller can get wrong comes back as an outcome, `refused` with a code, never as an exception: a name that is
no event, arguments that do not fit (each misfit with its path), a key that was used, an instance that has ended. What
still raises is nobody's decision: `StoreError` (the disk, a lock), and what a callback, an invariant or the data's own
class raises, which is the author's fault. Either way nothing happened and no key was consumed, but for `InDoubt`.

An outcome is made after its transition is durable: what cannot be read any more then (offers, above all) is left out of
it and never makes a committed event look failed.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, TypeVar, cast

from attrs import frozen

from persistence.errors import StoreError
from statemachine._codec.scalars import shown
from statemachine.definition import Definition
from statemachine.errors import DataError, Refused
from statemachine.events import Extras, Request, request
from statemachine.limits import Limits
from statemachine.loading import Loaded
from statemachine.offers import Answers, PlainState, Reason, ShortOffer, View, plain_state, reason_of, short_offers
from statemachine.states import is_texts
from statemachine.transition import Transition

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["NEXT", "Door", "Gate", "Outcome", "named_request"]

T = TypeVar("T")

NEXT = {
    "event_not_enabled": "Fire one of the offers.",
    "event_deferred": "Fire it when the instance has moved on.",
    "guard_failed": "Change what the guard looks at, or fire one of the offers.",
    "invalid_payload": "Mend the arguments by the event's schema and fire again; nothing is converted.",
    "invalid_argument": "Mend what is named and fire again.",
    "stale_version": "Look at state and offers and decide anew, with the version of this outcome.",
    "key_reused": "Take a fresh key for another event; repeat a call only with the same arguments.",
    "role_missing": "Fire one of the offers, or ask somebody who has the role.",
    "id_taken": "Choose another id.",
    "label_taken": "Choose another label.",
    "instance_final": "Nothing can be done with it any more.",
    "instance_unsound": "Stop and tell a person: the instance must be repaired first.",
    "needs_migration": "Stop and tell a person: the instance needs another version of the program.",
    "unknown_event": "Fire one of the workflow's events.",
    "unknown_instance": "Check the id.",
}
"""What whoever was refused can do next, for every code of a refusal."""


class Outcome(TypedDict):
    """What became of one call, as `json.dumps` takes it. It has the same keys whatever happened.

    `outcome` is "committed", "replayed" (this key had run before; nothing happened again) or "refused" (nothing
    happened). `code` is that of the refusal, empty otherwise; `hint` says in words what is so and what to do next.
    `transition` is the number of the transition that this call wrote, or had written; None where it was refused.
    `state`, `version` and `offers` are of one and the same moment after the call; the state is empty and the version 0
    where there is no instance, or none that can be read.
    """

    outcome: Literal["committed", "replayed", "refused"]
    code: str
    hint: str
    transition: int | None
    state: PlainState
    version: int
    offers: list[ShortOffer]


class Gate(Protocol):
    """What the door needs of an engine."""

    limits: Limits

    def fire(self, definition: Definition, instance: str, request: Request) -> Transition:
        """Run one event. Durable on return."""
        ...

    def submit(self, definition: Definition, instance: str, request: Request) -> "Future[Transition]":
        """Queue one event and return its future."""
        ...

    def view(
        self,
        definition: Definition,
        instance: str,
        work: Callable[[View], T],
        *,
        actor: str | None = None,
        roles: tuple[str, ...] = (),
    ) -> T:
        """Return what some work finds in the last committed head, judged, as one sender sees it."""
        ...


def named_request(
    definition: Definition, name: object, arguments: object, *, limits: Limits, extras: Extras
) -> Request:
    """Make an event of its name and of plain JSON values. Raises Refused."""
    if type(name) is not str or name not in definition.events:
        known = ", ".join(definition.events)
        raise Refused("unknown_event", f"{definition.name} has no event {shown(name)}; it has {known}")
    if not isinstance(arguments, Mapping):
        parse = "; parse it first, with json.loads" if isinstance(arguments, str | bytes) else ""
        raise Refused("invalid_payload", f"arguments: expected an object, got {shown(arguments)}{parse}")
    try:
        plain: dict[object, object] = dict(cast("Mapping[object, object]", arguments))
    except Exception as error:  # a mapping of somebody's own
        raise Refused("invalid_payload", f"arguments cannot be read: {type(error).__name__}") from error
    try:
        event: object = definition.events[name].structure(plain, path="arguments")
    except DataError as error:
        raise Refused("invalid_payload", str(error)) from error
    return request(definition, event, limits=limits, **extras)


@frozen(eq=False)
class Door:
    """One instance, and what goes with one call."""

    gate: Gate
    definition: Definition
    instance: str
    extras: Extras

    def fire(self, name: object, arguments: object) -> Outcome:
        """Run one event by its name and say what became of it. Durable on return, where it says so.

        Raises StoreError, and whatever a callback or an invariant raises; no business refusal.
        """
        asked = None
        try:
            asked = self._asked(name, arguments)
            done = self.gate.fire(self.definition, self.instance, asked)
        except Refused as refused:
            return self._with_view(_refused(refused), asked)
        return self._with_view(_done(done), None)

    def afire(self, name: object, arguments: object) -> Coroutine[Any, Any, Outcome]:
        """Queue the same, and return a coroutine that waits for its outcome."""
        asked = None
        try:
            asked = self._asked(name, arguments)
        except Refused as refused:
            return self._answered(refused, None)
        return self._answered(self.gate.submit(self.definition, self.instance, asked), asked)

    async def _answered(self, what: "Future[Transition] | Refused", asked: Request | None) -> Outcome:
        from asyncio import to_thread  # for those who use it

        from statemachine.waiting import wait_for

        try:
            if isinstance(what, Refused):
                raise what
            done = await wait_for(what)
        except Refused as refused:
            return await to_thread(self._with_view, _refused(refused), asked)
        return await to_thread(self._with_view, _done(done), None)

    def _asked(self, name: object, arguments: object) -> Request:
        return named_request(self.definition, name, arguments, limits=self.gate.limits, extras=self.extras)

    def _with_view(self, outcome: Outcome, refused: Request | None) -> Outcome:
        """Add where the instance is and what it offers; to a refusal also what its guards say of themselves."""
        actor, roles = self.extras.get("actor"), self.extras.get("roles", ())
        if refused is None and outcome["outcome"] == "refused":  # they are what does not fit, perhaps
            actor, roles = (actor if type(actor) is str else None), (roles if is_texts(roles) else ())

        def look(view: View) -> tuple[Loaded, list[ShortOffer], Reason | None]:
            offers = short_offers(view)
            reason = None if refused is None else reason_of(view, refused.name, Answers(view, refused.event))
            return view.loaded, offers, reason

        try:
            loaded, offers, reason = self.gate.view(self.definition, self.instance, look, actor=actor, roles=roles)
        except (Refused, StoreError) as error:  # what is decided stays decided
            if outcome["code"] not in {"unknown_instance", "instance_unsound", "needs_migration"}:
                outcome["hint"] += f" What is offered could not be read: {error}"
            return outcome
        if reason is not None and reason["code"] == outcome["code"]:
            outcome["hint"] = f"{reason['hint']}. {NEXT[reason['code']]}"
        state, version = plain_state(loaded.configuration), loaded.head.version
        return {**outcome, "state": state, "version": version, "offers": offers}


def _refused(refused: Refused) -> Outcome:
    return {
        "outcome": "refused",
        "code": refused.code,
        "hint": f"{refused.reason}. {NEXT[refused.code]}",
        "transition": None,
        "state": plain_state(refused.state),
        "version": refused.version,
        "offers": [],
    }


def _done(done: Transition) -> Outcome:
    what = f"{done.event} is version {done.version}, {', '.join(done.before)} → {', '.join(done.after)}."
    if done.error is not None:
        what += f" It failed and was undone, and a rule handled that: {done.error}."
    return {
        "outcome": "replayed" if done.replayed else "committed",
        "code": "",
        "hint": f"This key had run before, and nothing happened again: {what}" if done.replayed else what,
        "transition": done.version,
        "state": plain_state(done.after),
        "version": done.version,
        "offers": [],
    }
