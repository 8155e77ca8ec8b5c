"""Runs what a document says to do, for one attempt: conditions, data, executable content.

Nothing is kept between two attempts but `self.data`. A `Session` lives as long as an attempt: it holds what is left of
the budget, and the event that is being handled.

What fails is `error.execution` (SCXML 3.12.2): the rest of the block is left out, and the event is raised with the tag,
the place and the reason. That is so where a transition of the document listens to it. Where none does, nobody would
ever know: then FrameError (PF460) undoes the whole macrostep. A condition that fails always does that: it has no
answer.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field, frozen

from statemachine.errors import DataError, FrameError
from statemachine.frame import ATTEMPT, Attempt
from statemachine.scxml.budget import Budget, EvaluationError
from statemachine.scxml.contents import EVENT_NAME, NAME_LENGTH_MAX, milliseconds
from statemachine.scxml.data import DocumentData, DocumentEvent, Pending
from statemachine.scxml.document import (
    Assignment,
    Cancel,
    Content,
    Data,
    Document,
    ForEach,
    If,
    Log,
    Payload,
    Raise,
    Script,
    Send,
)
from statemachine.scxml.evaluating import Evaluator
from statemachine.scxml.library import spent_text
from statemachine.scxml.matching import longest_known
from statemachine.scxml.places import World
from statemachine.scxml.reading import Place
from statemachine.scxml.syntax import Expression
from statemachine.scxml.values import UNDEFINED, Value, text_of

if TYPE_CHECKING:
    from statemachine.workflow import Workflow

__all__ = ["PENDING_MAX", "Program", "Session", "session"]

PENDING_MAX = 1_000  # events that wait in one instance: they stand in its data
ERROR = "error.execution"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LOG = logging.getLogger("statemachine.scxml")


@frozen(eq=False)
class Program:
    """A document, ready to run. `paths` are the full names of states by their ids."""

    document: Document
    name: str
    paths: Mapping[str, str]
    events: Mapping[str, type[DocumentEvent]]
    declared: frozenset[str]

    def event(self, name: str, *, data: Value = None, pending: int = 0) -> DocumentEvent | None:
        """Return an event by its name; None for one that no transition takes."""
        known = longest_known(name, self.events)
        if known is None:
            return None
        return self.events[known](data=data, name="" if known == name else name, pending=pending)


def session(program: Program, frame: "Workflow[DocumentData]") -> "Session":
    """Return the session of the attempt that a frame is bound to."""
    attempt: Attempt = getattr(frame, ATTEMPT)
    if attempt.scratch is None:
        attempt.scratch = Session(program, frame, attempt)
    return cast("Session", attempt.scratch)


@define(eq=False)
class Session:
    """Runs a document's content in one attempt."""

    program: Program
    frame: "Workflow[DocumentData]"
    attempt: Attempt
    done: str | None = None  # the event that says that a region is done, while it is handled
    budget: Budget = field(factory=Budget)

    # -- what rules and states call ------------------------------------------------------------------------------------

    def holds(self, condition: Expression, place: Place, *, done: str | None) -> bool:
        """Return what a condition says while an event, or the end of a region, is handled. Raises FrameError."""
        before, self.done = self.done, done
        try:
            answer = self._evaluator(is_readonly=True).holds(condition)
        except EvaluationError as error:
            raise self._failure("transition", place, error) from error
        if not answer:
            self.done = before
        return answer

    def take(self, event: DocumentEvent) -> None:
        """Take an event off those that are pending: it has arrived."""
        self.done = None
        if event.pending:
            data = self.frame.data
            data.pending = [one for one in data.pending if one.number != event.pending]

    def run(self, content: Sequence[Content]) -> None:
        """Run a block of executable content. Raises FrameError."""
        self._attempted(lambda: self._run(content))

    def begin(self) -> None:
        """Evaluate `<data>` and the document's scripts, once in the life of an instance. Raises FrameError."""
        data, document = self.frame.data, self.program.document
        if data.is_begun:
            return
        data.is_begun = True
        for one in document.data:
            if one.name not in data.variables:
                self._attempted(partial(self._make, one))
        for script in document.scripts:
            self.run((script,))

    def end(self) -> None:
        """Let nothing wait any longer: the instance ends, and takes no event from here on."""
        self.frame.data.pending = []

    def _make(self, data: Data) -> None:
        if data.value is not None:
            self._step(data, lambda: self._evaluator().declare(data.name, self._value(cast("Expression", data.value))))

    # -- errors --------------------------------------------------------------------------------------------------------

    def _attempted(self, run: Callable[[], None]) -> None:
        try:
            run()
        except _FailedError as failed:
            error = self._failure(failed.tag, failed.place, failed.error)
            event = self.program.event(ERROR, data=_error_data(failed))
            if event is None:
                raise error from failed.error
            _LOG.warning("%s", error)
            self._raise(event)

    def _failure(self, tag: str, place: Place, error: EvaluationError) -> FrameError:
        where = f"{place.label}, line {place.line}, column {place.column}"
        return FrameError(
            "PF460",
            f"{self.program.name}: <{tag}> of {where} failed: {error}. Correct it, or take {ERROR} in a transition.",
        )

    def _step(self, node: Any, run: Callable[[], None]) -> None:
        """Run one element; what fails in it names it."""
        try:
            run()
        except EvaluationError as error:
            raise _FailedError(node.tag, node.place, error) from error
        except RecursionError:
            self.budget.exhausted("went too deep")

    # -- executable content --------------------------------------------------------------------------------------------

    def _run(self, content: Sequence[Content]) -> None:
        for one in content:
            self.budget.spend(1)
            self._step(one, partial(_RUNS[type(one)], self, one))

    def assign(self, node: Assignment) -> None:
        """`<assign>`."""
        evaluator = self._evaluator()
        evaluator.assign(node.location, evaluator.guarded(node.value))

    def log(self, node: Log) -> None:
        """`<log>`."""
        value = UNDEFINED if node.value is None else self._value(node.value)
        _LOG.info("%s %s: %s", self.frame.id, node.label, spent_text(self.budget, value))

    def script(self, node: Script) -> None:
        """`<script>`."""
        self._evaluator().run_script(node.body)

    def choose(self, node: If) -> None:
        """`<if>`."""
        for branch in node.branches:
            if branch.condition is None or self._evaluator(is_readonly=True).holds(branch.condition):
                self._run(branch.content)
                return

    def foreach(self, node: ForEach) -> None:
        """`<foreach>`."""
        items = self._value(node.array)
        if not isinstance(items, list):
            raise EvaluationError("array is no list")
        copied: list[Value] = [*items]
        for place, item in enumerate(copied):
            evaluator = self._evaluator()
            evaluator.declare(node.item, item)
            if node.index is not None:
                evaluator.declare(node.index, place)
            self._run(node.content)

    def raise_event(self, node: Raise) -> None:
        """`<raise>`."""
        self._raise(self.program.event(node.event))

    def _raise(self, event: DocumentEvent | None) -> None:
        if event is None:  # no transition takes it: SCXML drops it too
            return
        try:
            self.frame.raise_(event)
        except DataError as error:
            raise EvaluationError(str(error)) from error

    def send(self, node: Send) -> None:
        """`<send>`."""
        name = self._value(node.event)
        if not isinstance(name, str) or len(name) > NAME_LENGTH_MAX or not re.fullmatch(EVENT_NAME, name):
            raise EvaluationError(f"{text_of(name)[:60]!r} is no name of an event")
        payload = self._payload(node.payload)
        if node.is_internal:
            self._raise(self.program.event(name, data=payload))
            return
        data = self.frame.data
        due_ms = (self.frame.now - _EPOCH) // _MILLISECOND + self._delay(node)
        if len(data.pending) >= PENDING_MAX:
            self.budget.exhausted(f"let more than {PENDING_MAX} events wait")
        data.sent += 1
        known = node.id or f"send.{data.sent}"
        if node.id_location is not None:
            self._evaluator().assign(node.id_location, known)
        if self.program.event(name) is not None:  # else no transition takes it, and it would wait for ever
            data.pending = [*data.pending, Pending(data.sent, name, due_ms, payload, known)]

    def _delay(self, node: Send) -> int:
        written = "0s" if node.delay is None else self._value(node.delay)
        found = milliseconds(written) if isinstance(written, str) else None
        if found is None:
            raise EvaluationError(f"{text_of(written)[:60]!r} is no duration; write '10ms', '2s', '1.5h'")
        return found

    def _payload(self, payload: Payload) -> Value:
        evaluator = self._evaluator()
        if payload.parameters:
            found: Value = {one.name: evaluator.guarded(one.value) for one in payload.parameters}
        else:
            found = UNDEFINED if payload.value is None else evaluator.guarded(payload.value)
        kept = evaluator.copied(found)
        return None if kept is UNDEFINED else kept

    def cancel(self, node: Cancel) -> None:
        """`<cancel>`."""
        known = self._value(node.id)
        data = self.frame.data
        data.pending = [one for one in data.pending if one.id != known]

    # -- values --------------------------------------------------------------------------------------------------------

    def _value(self, tree: Expression) -> Value:
        return self._evaluator().guarded(tree)

    def _evaluator(self, *, is_readonly: bool = False) -> Evaluator:
        return Evaluator(
            World(
                variables=cast("dict[str, Value]", self.frame.data.variables),
                declared=self.program.declared,
                system=self._system(),
                functions=self.program.document.functions,
                natives={"In": self._is_in},
                budget=self.budget,
                is_readonly=is_readonly,
            )
        )

    def _system(self) -> Mapping[str, Value]:
        return {"_sessionid": self.frame.id, "_name": self.program.name, "_event": self._event()}

    def _event(self) -> Value:
        if self.done is not None:
            return {"name": self.done}
        event = self.attempt.event
        if not isinstance(event, DocumentEvent):
            return UNDEFINED
        about: dict[str, Value] = {"name": event.name or event.event_name}
        if event.data is not None:
            about["data"] = event.data
        return about

    def _is_in(self, _: Budget, given: Sequence[Value]) -> Value:
        known = given[0] if given else UNDEFINED
        path = self.program.paths.get(known) if isinstance(known, str) else None
        if path is None:
            raise EvaluationError(f"In({text_of(known)[:60]!r}) names no state of the document")
        return any(leaf == path or leaf.startswith(f"{path}.") for leaf in self.attempt.configuration)


@define(eq=False)
class _FailedError(Exception):
    """Carries what failed to the end of its block."""

    tag: str
    place: Place
    error: EvaluationError


def _error_data(failed: _FailedError) -> Value:
    place = failed.place
    return {"tagname": failed.tag, "line": place.line, "column": place.column, "reason": str(failed.error)}


_RUNS: Mapping[type, Callable[[Session, Any], None]] = {
    Assignment: Session.assign,
    Cancel: Session.cancel,
    ForEach: Session.foreach,
    If: Session.choose,
    Log: Session.log,
    Raise: Session.raise_event,
    Script: Session.script,
    Send: Session.send,
}
