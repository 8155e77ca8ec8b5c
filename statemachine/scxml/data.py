"""What an instance of a document keeps, and what its events carry: JSON all through, so that nothing else is kept."""

from typing import ClassVar

from attrs import define, field, frozen

from statemachine.codec import Json

__all__ = ["DocumentData", "DocumentEvent", "Pending"]


@frozen
class Pending:
    """An event that a document sent to itself and that has not been handed to it."""

    number: int  # in the order in which they were sent
    event: str
    due_ms: int  # since 1970 UTC, by the engine's clock
    data: Json = None
    id: str = ""


@define
class DocumentData:
    """The data model of an instance. Variables that are declared and undefined are left out.

    Those that are given when an instance is started take the place of what `<data>` says.
    """

    variables: dict[str, Json] = field(factory=dict[str, Json])
    pending: list[Pending] = field(factory=list[Pending])
    sent: int = 0  # events so far
    is_begun: bool = False  # `<data>` and the document's scripts have been evaluated


@frozen
class DocumentEvent:
    """An event of a document. Each name that the document knows has a class of its own (`event_name`).

    An event that it does not know is of the class of the longest known name that begins it: then `name` says its own.
    """

    event_name: ClassVar[str] = ""

    data: Json = None
    name: str = ""
    pending: int = 0  # the number that it had among the pending ones; 0 for one that somebody else sent
