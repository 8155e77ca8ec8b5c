"""An event as a caller hands it over: checked, named and encoded before anything is locked or read."""

from typing import Any, ClassVar, Protocol, TypedDict

from attrs import define

from statemachine._codec.scalars import shown
from statemachine.definition import Definition
from statemachine.errors import DataError, Refused
from statemachine.limits import Limits
from statemachine.states import is_texts

__all__ = ["START", "AttrsEvent", "DataclassEvent", "Extras", "Request", "check_sender", "checked_text"]
__all__ += ["event_of", "request", "start_request", "taken"]

START = "perdure.start"  # the event of version 1; no class can have this name


class AttrsEvent(Protocol):
    """An object of an attrs class; a class variable in a protocol keeps the class itself from passing for one."""

    __attrs_attrs__: ClassVar[Any]


class DataclassEvent(Protocol):
    """The same as pyright sees it: it knows an attrs class by this attribute, mypy by the other one."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Extras(TypedDict, total=False):
    """What goes with an event, as the keywords of `Instance.send`."""

    key: str | None
    expect_version: int | None
    actor: str | None
    roles: tuple[str, ...]
    note: str | None


@define(eq=False)
class Request:
    """One event to be sent, ready to be decided. Not frozen, which would cost three times as much."""

    name: str
    event: object
    payload: bytes
    key: str | None
    digest: bytes  # of the event, or of the initial data; empty for an event without a key
    expect_version: int | None
    actor: str | None
    roles: tuple[str, ...]
    note: str | None
    was_handed: bool = False

    def handed(self, definition: Definition) -> object:
        """Return the event for one more attempt: what callbacks did to it in an earlier one is not in it."""
        codec = definition.events[self.name]
        if self.was_handed and not codec.is_shareable:
            self.event = codec.decode(self.payload)
        self.was_handed = True
        return self.event


def event_of(definition: Definition, event: object) -> str:
    """Return the stored name of an event. Raises Refused `unknown_event`."""
    known = definition.heard.get(type(event))
    if known is None:
        raise _unknown(definition, event)
    return known[0]


def _unknown(definition: Definition, event: object) -> Refused:
    shown = event.__name__ + ", the class itself" if isinstance(event, type) else type(event).__name__
    return Refused("unknown_event", f"{definition.name} has no event {shown}; it has {', '.join(definition.events)}")


def taken(definition: Definition, event: object) -> tuple[str, object]:
    """Return the stored name of an event, and the event as callbacks get it. Raises Refused.

    What callbacks do to it is not the sender's: what can be changed is made anew.
    """
    known = definition.heard.get(type(event))
    if known is None:
        raise _unknown(definition, event)
    name, codec = known
    try:
        frozen = codec.freeze(event)
        return name, event if codec.is_shareable else codec.thaw(frozen)
    except DataError as error:
        raise Refused("invalid_payload", str(error)) from error


def request(  # what `send` takes, as keywords
    definition: Definition,
    event: object,
    *,
    limits: Limits,
    key: str | None = None,
    expect_version: int | None = None,
    actor: str | None = None,
    roles: tuple[str, ...] = (),
    note: str | None = None,
) -> Request:
    """Check and encode an event and what goes with it. Raises Refused."""
    known = definition.heard.get(type(event))
    if known is None:
        raise _unknown(definition, event)
    name, codec = known
    try:
        payload = codec.encode(event)
        # what callbacks do to it is not the sender's, nor what a retry sends
        own = event if codec.is_shareable else codec.decode(payload)
    except DataError as error:
        raise Refused("invalid_payload", str(error)) from error
    if len(payload) > limits.event_bytes_max:
        raise Refused("invalid_payload", f"{name} has {len(payload)} bytes; at most {limits.event_bytes_max}")
    if expect_version is not None and type(expect_version) is not int:
        raise Refused("invalid_argument", f"expect_version={shown(expect_version)} is no integer")
    if actor is not None or roles != ():
        check_sender(actor, roles, limits=limits)
    digest = b""  # of an event without a key
    if key is not None:
        key, digest = checked_text("key", key, limits.text_bytes_max), codec.digest(name, event)
    if note is not None:
        checked_text("note", note, limits.note_bytes_max)
    return Request(name, own, payload, key, digest, expect_version, actor, roles, note)  # by names: three times as long


def check_sender(actor: object, roles: object, *, limits: Limits) -> None:
    """Check who sends. Raises Refused `invalid_argument`."""
    if actor is not None:
        checked_text("actor", actor, limits.text_bytes_max)
    if roles != () and not is_texts(roles):
        raise Refused("invalid_argument", f"roles={shown(roles)} is no tuple of texts; write roles=('manager',)")


def start_request(
    definition: Definition, data: object, *, limits: Limits, actor: str | None, note: str | None
) -> Request:
    """Check and encode the initial data of an instance; None stands for data made of its defaults. Raises Refused."""
    try:
        value = definition.initial_data() if data is None else data
        image = definition.prove_data(value)
        digest = definition.data_digest(value)
    except (DataError, TypeError) as error:
        raise Refused("invalid_payload", f"the initial data of {definition.name} does not fit: {error}") from error
    if len(image) > limits.data_bytes_max:
        raise Refused("invalid_payload", f"the data has {len(image)} bytes; at most {limits.data_bytes_max}")
    return Request(
        name=START,
        event=None,
        payload=image,
        key=None,
        digest=digest,
        expect_version=None,
        actor=None if actor is None else checked_text("actor", actor, limits.text_bytes_max),
        roles=(),
        note=None if note is None else checked_text("note", note, limits.note_bytes_max),
    )


def checked_text(what: str, value: object, most: int) -> str:
    """Return a text that can be stored and indexed. Raises Refused `invalid_argument`."""
    if type(value) is not str or not value:
        raise Refused("invalid_argument", f"{what}={shown(value)} is no text, or empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise Refused("invalid_argument", f"{what} holds a lone surrogate, which cannot be stored") from error
    if size > most or "\0" in value:
        raise Refused("invalid_argument", f"{what} has {size} bytes, or a NUL; at most {most} and no NUL")
    return value
