"""The class a user writes, and the surface of its frame.

Defining a subclass compiles it (`statemachine.definition`). An object of it is a frame: what `self` is in a callback,
bound to one attempt; made with plain data it is one for a unit test. There is no metaclass, because type checkers would
stop checking the keywords of the class line.
"""

import typing
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, cast

from statemachine.definition import Definition, define_workflow
from statemachine.errors import ChartFinding, DefinitionError, FrameError
from statemachine.frame import ATTEMPT, Attempt, DataField, Sql
from statemachine.rules import MISSING
from statemachine.states import Ref

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from random import Random

    from typing_extensions import TypeVar

    from statemachine.scxml.data import DocumentData

    D = TypeVar("D", default=None)
else:
    from typing import TypeVar

    D = TypeVar("D")

__all__ = ["Workflow", "check", "definition_of", "events_of"]

T = typing.TypeVar("T")


class Workflow(Generic[D]):
    """A statechart with typed data.

    Class keywords: `revision` numbers the definition (required); `name` is the stored name, by default the class name;
    `abstract=True` marks a base that is not complete by itself; `strict=True` makes what `check` finds an error;
    `accept={"PD202 parked": "kept for old instances"}` says which findings are meant, and why.
    """

    __slots__ = ("_attempt",)
    _attempt: Attempt

    if TYPE_CHECKING:

        def __init_subclass__(
            cls,
            *,
            revision: int,
            name: str | None = None,
            abstract: bool = False,
            strict: bool = False,
            accept: Mapping[str, str] = MappingProxyType({}),
        ) -> None:
            """Compile the class. Raises DefinitionError."""

    else:

        def __init_subclass__(
            cls,
            *,
            revision: Any = MISSING,
            name: str | None = None,
            abstract: bool = False,
            strict: bool = False,
            accept: object = MappingProxyType({}),
            **unknown: object,
        ) -> None:
            """Compile the class. Raises DefinitionError."""
            super().__init_subclass__()
            for keyword in unknown:
                raise DefinitionError(
                    "PD140",
                    f"{cls.__name__}: a workflow has no class keyword {keyword!r}. "
                    "Use revision, name, abstract, strict and accept.",
                )
            if accept:
                _accept(cls, accept)
            definition = define_workflow(cls, root=Workflow, revision=revision, name=name, abstract=abstract)
            if strict and definition is not None:
                _refuse(_findings(definition))
            type.__setattr__(cls, "__definition__", definition)

    @staticmethod
    def from_scxml(
        source: "str | PathLike[str]",
        /,
        *,
        name: str | None = None,
        revision: int = 1,
        read_script: "Callable[[str], str | PathLike[str]] | None" = None,
        accept: Mapping[str, str] = MappingProxyType({}),
    ) -> "type[Workflow[DocumentData]]":
        """Return the workflow that an SCXML document describes (docs/scxml.md): a class like any other.

        A text is the document, a path names its file. `name` is the stored name, by default the document's own.
        `read_script` takes the `src` of a script and returns its text or the path of its file; without it no script is
        fetched. `accept` says which findings of `check` are meant, and why, as in a class line; places are full names,
        not ids. Raises DefinitionError with line and column (PD16x, PD17x), OSError where a file cannot be read.
        """
        from statemachine.scxml.compiling import compile_document  # only those who read documents pay for it

        line = {"revision": revision, "accept": accept}
        return compile_document(source, name=name, line=line, read_script=read_script)

    def __init__(self, data: D, /) -> None:
        """Make a frame for a unit test: `Order(OrderData()).submit(Submit("lamp", 1))`."""
        attempt = Attempt(data)
        attempt.effect_key = "unit-test"
        object.__setattr__(self, ATTEMPT, attempt)

    def __setattr__(self, name: str, value: object) -> None:
        """Raise: what is to last belongs in `self.data`. A workflow made of a machine has its fields as attributes."""
        if isinstance(getattr(type(self), name, None), DataField):
            setattr(self._attempt.data, name, value)
            return
        raise FrameError(
            "PF401", f"{type(self).__name__}.{name} cannot be assigned: a frame is thrown away. Use self.data."
        )

    @property
    def data(self) -> D:
        """The instance's variables: a working copy of this attempt."""
        data: D = self._attempt.data
        return data

    @property
    def id(self) -> str:
        """The instance's id."""
        return self._attempt.id

    @property
    def version(self) -> int:
        """The version that this attempt would write."""
        return self._attempt.version

    @property
    def now(self) -> datetime:
        """The time of this attempt in UTC, from the engine's clock; it never goes back within an instance."""
        return self._attempt.now

    @property
    def random(self) -> "Random":
        """A generator of random numbers that gives the same ones when this attempt is run again."""
        return self._attempt.random

    def new_id(self) -> str:
        """Return a new UUID (version 7) that is the same one when this attempt is run again."""
        return self._attempt.new_id()

    @property
    def actor(self) -> str | None:
        """Who sent the event."""
        return self._attempt.actor

    @property
    def note(self) -> str | None:
        """What the sender remarked."""
        return self._attempt.note

    @property
    def sql(self) -> Sql:
        """The user's own tables in the same transaction."""
        return Sql(self._attempt)

    @property
    def effect_key(self) -> str:
        """The idempotency key of a task: the same one at each attempt. Raises FrameError outside a task."""
        if self._attempt.effect_key is None:
            raise FrameError("PF407", "self.effect_key belongs to tasks; elsewhere use self.new_id()")
        return self._attempt.effect_key

    def is_in(self, state: Ref) -> bool:
        """Say whether a state or region is active."""
        return definition_of(type(self)).is_in(state, self._attempt.configuration)

    def raise_(self, event: object) -> None:
        """Raise an internal event: taken in the same macrostep, after this microstep. Unhandled it is dropped.

        Raises DataError for a value that does not fit, FrameError for an event that no rule names.
        """
        definition = definition_of(type(self))
        if self._attempt.is_over:
            raise FrameError("PF405", "self.raise_ was used after its transition was over; send the event instead")
        try:
            name = definition.event_name(type(event))
        except KeyError as error:
            raise FrameError(
                "PF406", f"{definition.name} has no event {type(event).__name__}; a rule must name it"
            ) from error
        definition.events[name].encode(event)  # as strict as on an event that is sent
        self._attempt.raised.append((name, event))

    @classmethod
    def from_machine(
        cls,
        machine: object,
        *,
        revision: int,
        name: str | None = None,
        model: type | None = None,
        data: type[T] | None = None,
        events: Mapping[str, type] = MappingProxyType({}),
        accept: Mapping[str, str] = MappingProxyType({}),
    ) -> "type[Workflow[T]]":
        """Return a workflow class that does what a machine of `transitions` does. Raises DefinitionError.

        `model` is the class whose methods the machine's callbacks name, by default that of its only model; its methods
        run with the frame as `self`, on which the fields of `data` are attributes. `events` gives triggers the class of
        their event, whose fields are the arguments of the callbacks; any other trigger gets a class without fields: see
        `events_of`. `accept` says which findings of `check` are meant, and why, as in a class line. docs/transitions.md
        says what is refused, and why.
        """
        from statemachine.adopting import adopt  # only those who have a machine pay for it

        line = {"name": name, "revision": revision, "accept": accept}
        made = adopt(Workflow, machine, model=model, data=data, events=events, line=line)
        return cast("type[Workflow[T]]", made)


def events_of(workflow: type, /) -> Mapping[str, type]:
    """Return the event classes of a workflow by their stored names. Pure."""
    return {name: codec.kind for name, codec in definition_of(workflow).events.items()}


def definition_of(workflow: type[Any]) -> Definition:
    """Return the compiled form of a workflow class. Raises DefinitionError for what is none."""
    definition: Definition | None = getattr(workflow, "__definition__", None)
    if definition is None:
        raise DefinitionError(
            "PD156",
            f"{workflow!r} is no workflow class that can run. Give a subclass of Workflow that is not abstract.",
        )
    return definition


def check(workflow: "type[Workflow[Any]]", /) -> tuple[ChartFinding, ...]:
    """Return what can run but looks wrong: states that are never reached, dead ends, rules that never run, and more.

    Guards are taken either way, so each finding is certain. `strict=True` in the class line makes the first one an
    error, `accept={…}` takes out what is meant. docs/checks.md has the table. Pure.
    """
    return _findings(definition_of(workflow))


def _accept(cls: type[Any], accept: object) -> None:
    from statemachine.findings.accepting import ACCEPT, checked  # only those who accept pay for it

    type.__setattr__(cls, ACCEPT, checked(cls.__name__, accept))


def _findings(definition: Definition) -> tuple[ChartFinding, ...]:
    from statemachine.findings import findings  # only those who ask for it pay for it

    return findings(definition)


def _refuse(found: tuple[ChartFinding, ...]) -> None:
    if found:
        more = "" if len(found) == 1 else f" ({len(found) - 1} more: drop strict=True and print check(…))"
        raise DefinitionError(found[0].code, f"{found[0].message}{more}", findings=found)
