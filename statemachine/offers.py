"""What a handle offers: each event of its workflow, whether it would be taken now, where it leads, and why not.

How it is found: the event is run through `step.macrostep`, which is what `send` runs, by a runner that runs no action.
A guard of the first microstep is answered on the committed data if it takes no event, or if the event is given; each is
asked once, on a frame of its own. What cannot be known, a guard that takes the event and any guard after an action, is
tried both ways: a trial is a row of guesses, "no" where the row has ended, and each "no" that was made up is a further
trial in which it is "yes". So the first trial guesses nothing but "no", and tells alone whether an event is taken
whatever the payload is. Nothing is written.

The first rule that holds wins here as it does in `send`: there is one algorithm. The cost is that of at most TRIALS_MAX
events without their actions, linear in the rules of the active states. What an action would change or raise is unknown.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from inspect import cleandoc
from typing import Literal, NotRequired, TypeAlias, TypedDict

from attrs import frozen

from persistence.errors import NoSql, SqlFailed, StoreError
from statemachine.chart import Configuration, Rule
from statemachine.definition import Definition
from statemachine.errors import InvariantBroken
from statemachine.loading import Loaded
from statemachine.runner import FrameRunner
from statemachine.step import Macrostep, Unhandled, macrostep

__all__ = ["REASONS", "Answers", "Offer", "PlainState", "Reason", "ShortOffer", "View", "all_offers", "misfit_offer"]
__all__ += ["offer_of", "plain_state", "reason_of", "short_offers"]

TRIALS_MAX = 32  # five guards that read the payload, in every combination; beyond that `to` names the first targets
DEFINITIONS_MAX = 128  # of which sources and descriptions are remembered; a miss costs one walk over the rules

REASONS = {
    "event_not_enabled": "no rule of the active states takes the event; `states` are those in which one does",
    "event_deferred": "an active state defers the event; it is taken once that is left",
    "guard_failed": "the guards in `guards` say no",
    "role_missing": "a rule takes it, but only from one of `roles`",
    "instance_final": "the instance has ended",
    "invalid_payload": "the given payload does not fit; each misfit is named with its path",
    "payload_needed": "it depends: the guards in `guards` read the payload",
    "would_raise": "a guard raises, or does what a guard must not do: sending the event would raise too",
}
"""Every code of a reason and what it means; those of a refusal are the refusal's."""

PlainState: TypeAlias = str | list[str]
"""A state as `Instance.state` says it, in JSON: the active leaf, or the list of them in a parallel configuration."""


class Reason(TypedDict):
    """Why an event is not, or not surely, enabled. `code` is one of `REASONS`, `hint` says it in words."""

    code: str
    hint: str
    states: NotRequired[list[str]]  # event_not_enabled: in which it would be taken
    guards: NotRequired[dict[str, str]]  # guard_failed, payload_needed, would_raise: name -> docstring
    roles: NotRequired[list[str]]  # role_missing: one of which is needed


class ShortOffer(TypedDict):
    """One event that may be taken. `to` are the states in which the instance may be at rest after it."""

    event: str
    enabled: Literal["yes", "no", "depends"]
    to: list[PlainState]


class Offer(ShortOffer):
    """One event of a workflow, for one instance and one sender, as `json.dumps` takes it.

    `description` are the docstrings of its rules, `schema` the JSON Schema (draft 2020-12) of its payload. `enabled` is
    "yes", "no", or "depends" on a guard that reads the payload; `reason` stands where it is not "yes". `to` holds what
    is known without running actions: an event that an action raises may lead on.
    """

    description: str
    schema: dict[str, object]
    reason: NotRequired[Reason]


@frozen(eq=False)
class View:
    """One committed head as one sender sees it; valid while the reader that it came from is open."""

    loaded: Loaded
    roles: tuple[str, ...]
    attempt: Callable[[], FrameRunner]  # a fresh one, with data of its own


# -- offers ------------------------------------------------------------------------------------------------------------


def all_offers(view: View) -> list[Offer]:
    """Return the offers of all events, in the order of the rules. Raises StoreError."""
    answers = Answers(view)
    return [offer_of(view, name, answers) for name in view.loaded.definition.events]


def offer_of(view: View, name: str, answers: "Answers") -> Offer:
    """Return the offer of one event. Raises StoreError."""
    short, reason = _judged(view, name, answers)
    return _widened(view.loaded.definition, short, reason)


def misfit_offer(view: View, name: str, hint: str) -> Offer:
    """Return the offer of an event whose given payload does not fit."""
    short: ShortOffer = {"event": name, "enabled": "no", "to": []}
    return _widened(view.loaded.definition, short, {"code": "invalid_payload", "hint": hint})


def short_offers(view: View) -> list[ShortOffer]:
    """Return in short what may be taken. Raises StoreError."""
    answers = Answers(view)
    found = (_judged(view, name, answers)[0] for name in view.loaded.definition.events)
    return [short for short in found if short["enabled"] != "no"]


def reason_of(view: View, name: str, answers: "Answers") -> Reason | None:
    """Return why an event is not surely enabled. Raises StoreError."""
    return _judged(view, name, answers)[1]


def plain_state(configuration: Configuration) -> PlainState:
    """Return a configuration as JSON says it. Pure."""
    return configuration[0] if len(configuration) == 1 else list(configuration)


def _widened(definition: Definition, short: ShortOffer, reason: Reason | None) -> Offer:
    name = short["event"]
    offer: Offer = {
        "event": name,
        "enabled": short["enabled"],
        "to": short["to"],
        "description": _known_of(definition)[name].description,
        "schema": definition.events[name].schema(),
    }
    if reason is not None:
        offer["reason"] = reason
    return offer


def _judged(view: View, name: str, answers: "Answers") -> tuple[ShortOffer, Reason | None]:
    loaded = view.loaded
    if loaded.head.outcome is not None:
        reason: Reason = {"code": "instance_final", "hint": f"{loaded.head.instance!r} ended as {loaded.head.outcome}"}
        return {"event": name, "enabled": "no", "to": []}, reason
    trials = list(_trials(loaded, name, answers))
    nodes = loaded.definition.chart.nodes
    taken = {found.after for _, found in trials if isinstance(found, Macrostep)}
    to = [plain_state(one) for one in sorted(taken, key=lambda leaves: [nodes[leaf].index for leaf in leaves])]
    failed = [(trial, found) for trial, found in trials if not isinstance(found, Macrostep)]
    if not failed:
        return {"event": name, "enabled": "yes", "to": to}, None
    trial, found = failed[0]
    reason = _why_raised(found) if isinstance(found, _GuardError) else _why_not(view, name, found, trial=trial)
    return {"event": name, "enabled": "depends" if to else "no", "to": to}, reason


# -- trials ------------------------------------------------------------------------------------------------------------


class _GuardError(Exception):
    """A guard raised, or did what a guard must not do; `guard` is empty where it is the chart that finds no rest."""

    def __init__(self, guard: str, doc: str, error: Exception) -> None:
        super().__init__(f"{guard or 'it'} raises {type(error).__name__}: {error}")
        self.guards = {guard: doc} if guard else {}


def _trials(
    loaded: Loaded, name: str, answers: "Answers"
) -> "Iterator[tuple[_Trial, Macrostep | Unhandled | _GuardError]]":
    waiting = deque[tuple[bool, ...]]([()])
    for _ in range(TRIALS_MAX):
        if not waiting:
            return
        guesses = waiting.popleft()
        trial = _Trial(answers, guesses)
        try:
            found = macrostep(
                loaded.definition.chart, loaded.configuration, (name, None), runner=trial, memory=loaded.memory
            )
        except _GuardError as raised:
            yield trial, raised
        except InvariantBroken as error:  # rules without guards that find no rest
            yield trial, _GuardError("", "", error)
        else:
            yield trial, found
        made_up = range(trial.guessed - len(guesses))
        waiting.extend((*guesses, *(False for _ in range(place)), True) for place in made_up)


class _Trial:
    """The Runner of one trial: runs no action, answers what is known, and takes the rest from its guesses."""

    def __init__(self, answers: "Answers", guesses: tuple[bool, ...]) -> None:
        self.raised: list[tuple[str, object]] = []
        self.guessed = 0
        self.has_missing_role = False
        self._answers = answers
        self._guesses = guesses
        self._is_known = True  # until the first actions would have run

    def holds(self, rule: Rule, event: object) -> bool:
        """Answer for a rule's roles and guard."""
        del event  # the answers have it
        if rule.roles and not set(rule.roles) & set(self._answers.view.roles):
            self.has_missing_role = True
            return False
        if rule.guard is None:
            return True
        answer = self._answers.of(rule) if self._is_known else None
        return self._guess() if answer is None else answer

    def _guess(self) -> bool:
        self.guessed += 1
        return self.guessed <= len(self._guesses) and self._guesses[self.guessed - 1]

    def act(self, action: str, event: object) -> None:
        """Run nothing."""

    def arrive(self, configuration: Configuration) -> None:
        """Know of no guard from here on: actions may have changed what it reads."""
        del configuration
        self._is_known = False


class Answers:
    """What guards say on the data of a view; each is asked once. Without an event, those that take one are unknown."""

    def __init__(self, view: View, *events: object) -> None:
        self.view = view
        self._events = events  # one or none
        self._known: dict[str, bool | _GuardError] = {}

    def of(self, rule: Rule) -> bool | None:
        """Return what a rule's guard says; None where that depends on the payload. Raises StoreError."""
        assert rule.guard is not None
        if self.view.loaded.definition.callbacks[rule.guard][1] and not self._events:
            return None
        known = self._known.get(rule.guard)
        if known is None:
            try:
                known = self._ask(rule, rule.guard)
            except _GuardError as error:
                known = error
            self._known[rule.guard] = known
        if isinstance(known, _GuardError):
            raise known
        return known

    def _ask(self, rule: Rule, guard: str) -> bool:
        loaded = self.view.loaded
        runner = self.view.attempt()
        runner.begin(loaded.definition, loaded.frozen)
        try:
            answer = runner.holds(rule, *self._events or (None,))
            runner.check_unchanged()
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, SqlFailed | NoSql):
                raise  # the store's fault; those two are what the guard asked for
            raise _GuardError(guard, _doc(loaded.definition, guard), error) from error
        finally:
            runner.end()
        return answer


# -- reasons -----------------------------------------------------------------------------------------------------------


def _why_raised(raised: _GuardError) -> Reason:
    return {"code": "would_raise", "hint": str(raised), "guards": raised.guards}


def _why_not(view: View, name: str, found: Unhandled, *, trial: _Trial) -> Reason:
    """Say why no rule took an event, in the order in which `send` says it; a guess is no reason."""
    definition = view.loaded.definition
    here = ", ".join(view.loaded.configuration)
    if found.deferred_by is not None and not trial.guessed:
        hint = f"{name} is deferred by {found.deferred_by}: it is taken once that is left"
        return {"code": "event_deferred", "hint": hint}
    if not found.blocked:
        states = list(_known_of(definition)[name].states)
        hint = f"{name} is taken in {', '.join(states)}, not in {here}"
        return {"code": "event_not_enabled", "hint": hint, "states": states}
    guards = {rule.guard: _doc(definition, rule.guard) for rule in found.blocked if rule.guard}
    if trial.guessed:
        hint = f"{name} in {here} depends on what {_quoted(guards)} finds in the payload"
        return {"code": "payload_needed", "hint": hint, "guards": guards}
    if trial.has_missing_role:
        roles = sorted({role for rule in found.blocked for role in rule.roles})
        return {
            "code": "role_missing",
            "hint": f"{name} in {here} needs one of the roles {_and(roles)}",
            "roles": roles,
        }
    return {"code": "guard_failed", "hint": f"{name} in {here} was stopped by {_quoted(guards)}", "guards": guards}


def _quoted(guards: Mapping[str, str]) -> str:
    return _and([f"{name} ({' '.join(doc.split())})" if doc else name for name, doc in guards.items()])


def _and(names: Sequence[str]) -> str:
    return ", ".join(names)


# -- what a definition says of its events ------------------------------------------------------------------------------


@frozen(eq=False)
class _Known:
    """What never changes of one event's offers."""

    description: str
    states: tuple[str, ...]  # sources of its rules, in document order


@lru_cache(maxsize=DEFINITIONS_MAX)
def _known_of(definition: Definition) -> Mapping[str, _Known]:
    """Return it for each event: read from the rules once, so that a list of offers does not walk over all of them."""
    return {name: _known(definition, name) for name in definition.events}


def _known(definition: Definition, name: str) -> _Known:
    rules = [rule for rule in definition.chart.rules if rule.event == name]
    docs = dict.fromkeys(_doc(definition, rule.action) for rule in rules)
    description = "\n".join(doc for doc in docs if doc) or str(definition.events[name].schema().get("description", ""))
    sources = {rule.source for rule in rules}
    return _Known(description, tuple(node.name for node in sorted(sources, key=lambda node: node.index)))


def _doc(definition: Definition, name: str) -> str:
    """Return a method's docstring, without the indentation of its source."""
    return cleandoc(definition.callbacks[name][0].__doc__ or "")
