"""A workflow class, compiled: chart, codecs and callbacks (`statemachine.declaration` reads them from its body)."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from statemachine.chart import Configuration
from statemachine.codec import Codec
from statemachine.declaration import Declaration
from statemachine.errors import DataError, DefinitionError
from statemachine.frame import ATTEMPT, Attempt, Callback
from statemachine.inheritance import own_bodies, stored_name
from statemachine.rules import MISSING

if TYPE_CHECKING:
    from statemachine._codec.parting import Parted

__all__ = ["Definition", "define_workflow"]

_new = object.__new__

Parts = tuple[bytes, ...]


def _nothing(_: object) -> None:
    """Stand for the data of a workflow that has none."""


def _still_nothing(_: object, _earlier: object) -> None: ...


def _null(_: object) -> bytes:
    return b"null"


def _same(_frozen: object, _other: object) -> bool:
    return True


class Definition:
    """A compiled workflow: chart, codecs and callbacks. `chart` is missing on an abstract class."""

    def __init__(self, workflow: type[Any], *, name: str, revision: int, declaration: Declaration) -> None:
        self.workflow = workflow
        self._bind = getattr(workflow, ATTEMPT).__set__  # of the slot: a frame takes no other assignment
        self.name = name
        self.revision = revision
        self.paths = declaration.names.paths
        self.tags = declaration.names.tags
        self.events = declaration.events
        self.invariants = declaration.invariants
        self.rules = declaration.rules
        self.tasks = declaration.tasks
        self.results = declaration.results
        self.timers = declaration.timers
        self.heard = {codec.kind: (stored, codec) for stored, codec in self.events.items()}  # events by their classes
        self._data = declaration.data
        self._arity = declaration.signatures.arity
        self.machine = declaration.machine
        self.chart = declaration.chart

    @cached_property
    def fingerprint(self) -> bytes:
        """Return the chart's fingerprint, 32 bytes."""
        return self.chart.fingerprint

    def frame(self, attempt: Attempt) -> object:
        """Return a frame: an object of the workflow's class, bound to an attempt."""
        frame = _new(self.workflow)
        self._bind(frame, attempt)
        return frame

    def event_name(self, kind: type) -> str:
        """Return the stored name of an event class. Raises KeyError for a class that no rule names."""
        return self.heard[kind][0]

    @cached_property
    def encode_data(self) -> Callable[[object], bytes]:
        """Return the canonical bytes of the workflow's data; `null` where it has none. Raises DataError."""
        return _null if self._data is None else self._data.encode

    def image_of(self, data: object, frozen: object, before: tuple[object, Parts] | None) -> tuple[bytes, Parts]:
        """Return the canonical bytes of the data, and those of its fields. Raises DataError.

        `before` is an earlier frozen form with the bytes of its fields: those that have not changed are taken from it.
        Without fields, or where they are not written one by one, there are none.
        """
        codec, parted = self._data, self._parted
        if codec is None or parted is None:
            return self.encode_data(data), ()
        earlier, parts = before or parted.nothing
        try:
            parts = parted.parts_of(data, frozen, earlier, parts)
        except Exception as error:
            raise codec.refused(data, error) from error
        return parted.template % parts, parts

    @cached_property
    def _parted(self) -> "Parted | None":
        return None if self._data is None else self._data.parted

    @cached_property
    def field_keys(self) -> Parts:
        """The names of the data's fields as they are encoded, where it is written field by field."""
        return () if self._parted is None else self._parted.keys

    def prove_data(self, data: object) -> bytes:
        """Return the canonical bytes of data that is to be stored, proven to come back as it is. Raises DataError.

        A class can accept in place what its own validators or `__attrs_post_init__` would refuse or change: stored, it
        could not be read again. What runs no such code comes back as it is.
        """
        image = self.encode_data(data)
        if self._data is None or not self._data.runs_code:
            return image
        try:
            again = self.encode_data(self.decode_data(image))
        except DataError as error:
            raise DataError(f"the data could not be read again: {error}") from error
        if again != image:
            raise DataError(f"the data of {self.name} would come back changed: its class changes it when it is made")
        return image

    @cached_property
    def callbacks(self) -> Mapping[str, Callback]:
        """The methods that the chart and the class name, each with whether it takes an event."""
        nodes, rules = self.chart.nodes.values(), self.chart.rules
        hooks = (name for node in nodes for name in (*node.enter, *node.leave))
        named = dict.fromkeys((*hooks, *(rule.action for rule in rules), *(rule.guard for rule in rules)))
        takers = (task.result for task in self.tasks)
        every = (name for name in (*named, *self.invariants, *takers) if name is not None)
        functions = {name: getattr(self.workflow, name) for name in every}
        return {name: (function, self._arity(function) > 1) for name, function in functions.items()}

    @cached_property
    def freeze(self) -> Callable[[Any], object]:
        """Return the workflow's data as it is remembered between two events. Raises DataError."""
        return _nothing if self._data is None else self._data.freeze

    @cached_property
    def refreeze(self) -> Callable[[object, object], object]:
        """Return the same, given an earlier one: that itself where nothing was replaced. Raises DataError."""
        return _still_nothing if self._data is None else self._data.refreeze

    @cached_property
    def freeze_proven(self) -> Callable[[object, object], object]:
        """Return the same of data that is to be stored, proven to come back as it is. Raises DataError."""
        if self._data is None or not self._data.runs_code:
            return self.refreeze
        return lambda data, _: self.prove_data(data)

    @cached_property
    def thaw(self) -> Callable[[Any], object]:
        """Return data of one's own of a frozen one."""
        return _nothing if self._data is None else self._data.thaw

    @cached_property
    def is_same(self) -> Callable[[object, object], bool]:
        """Say whether two frozen ones are stored as the same bytes."""
        return _same if self._data is None else self._data.is_same

    def decode_data(self, image: bytes) -> object:
        """Return the data of canonical bytes. Raises DataError."""
        return None if self._data is None else self._data.decode(image)

    def data_digest(self, data: object) -> bytes:
        """Return the digest of initial data, for the key of a start."""
        codec = self._data or Codec(type(None), path="data")
        return codec.digest(self.name, data)

    def digest_of(self, event: str, payload: object) -> bytes:
        """Return the digest that a key of this event and payload has. Raises DataError."""
        if event in self.events:
            codec = self.events[event]
            return codec.digest(event, codec.structure(payload))
        return self.data_digest(None if self._data is None else self._data.structure(payload))

    def initial_data(self) -> object:
        """Return data made of its defaults. Raises TypeError where a field has none."""
        return None if self._data is None else self._data.kind()

    def is_in(self, state: object, configuration: Configuration) -> bool:
        """Say whether a state or region is active in a configuration. Raises DefinitionError for a foreign one."""
        name = self.paths.get(state)
        if name is None:
            raise DefinitionError("PD106", f"{self.name}: {state!r} is no state of this workflow.")
        return any(leaf == name or leaf.startswith(f"{name}.") for leaf in configuration)


def define_workflow(
    workflow: type[Any], *, root: type[Any], revision: Any, name: str | None, abstract: bool
) -> Definition | None:
    """Compile a workflow class, of which `root` is the base that all have; None for an abstract one.

    Raises DefinitionError.
    """
    label = stored_name(workflow, name)
    if revision is MISSING or type(revision) is not int or not 1 <= revision < 1 << 63:
        raise DefinitionError(
            "PD101", f"{label}: revision={revision!r}. Write revision=1 in the class line, or higher."
        )
    declaration = Declaration(label, workflow, own_bodies(workflow, root, label))
    if abstract:
        return None
    declaration.compile()
    return Definition(workflow, name=label, revision=revision, declaration=declaration)
