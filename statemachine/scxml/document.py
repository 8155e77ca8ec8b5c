"""What a document says, as typed nodes: states, transitions, data and executable content, each with its place.

Every expression and script is parsed here, so that a document with a mistake in one is refused when the workflow is
made, as SCXML permits (5.9), and not when an instance first comes there.
"""

from typing import TypeAlias

from attrs import field, frozen

from statemachine.scxml.reading import Place
from statemachine.scxml.syntax import Block, Expression, Function, Member, Name

__all__ = [
    "Assignment",
    "Branch",
    "Cancel",
    "Content",
    "Data",
    "Document",
    "ForEach",
    "If",
    "Log",
    "Parameter",
    "Payload",
    "Raise",
    "Script",
    "Send",
    "StateNode",
    "TransitionNode",
]


@frozen
class Assignment:
    """`<assign>`."""

    location: Name | Member
    value: Expression
    place: Place
    tag: str = "assign"


@frozen
class Raise:
    """`<raise>`."""

    event: str
    place: Place
    tag: str = "raise"


@frozen
class Log:
    """`<log>`."""

    label: str
    value: Expression | None
    place: Place
    tag: str = "log"


@frozen
class Script:
    """`<script>`."""

    body: Block
    place: Place
    tag: str = "script"


@frozen
class Branch:
    """A part of `<if>`: without a condition it is `<else>`."""

    condition: Expression | None
    content: "tuple[Content, ...]"


@frozen
class If:
    """`<if>`."""

    branches: tuple[Branch, ...]
    place: Place
    tag: str = "if"


@frozen
class ForEach:
    """`<foreach>`."""

    array: Expression
    item: str
    index: str | None
    content: "tuple[Content, ...]"
    place: Place
    tag: str = "foreach"


@frozen
class Parameter:
    """One named value of an event that is sent: `<param>`, or a name of `namelist`."""

    name: str
    value: Expression


@frozen
class Payload:
    """What an event carries: named values, or one value."""

    parameters: tuple[Parameter, ...] = ()
    value: Expression | None = None


@frozen
class Send:
    """`<send>`. Texts that are computed are expressions; those that are written are literals."""

    event: Expression
    delay: Expression | None
    id: str | None
    id_location: Name | Member | None
    is_internal: bool
    payload: Payload
    place: Place
    tag: str = "send"


@frozen
class Cancel:
    """`<cancel>`."""

    id: Expression
    place: Place
    tag: str = "cancel"


Content: TypeAlias = Assignment | Raise | Log | Script | If | ForEach | Send | Cancel


@frozen
class Data:
    """`<data>`; without a value it is declared and undefined."""

    name: str
    value: Expression | None
    place: Place
    tag: str = "data"


@frozen(eq=False)
class TransitionNode:
    """`<transition>`. `events` are descriptors without their trailing `.*`; none of them: eventless."""

    events: tuple[str, ...]
    condition: Expression | None
    targets: tuple[str, ...]
    is_internal: bool
    content: tuple[Content, ...]
    place: Place


@frozen(eq=False)
class StateNode:
    """`<state>`, `<parallel>`, `<final>` or `<history>`, and `<scxml>` as the state that holds all others."""

    tag: str
    id: str  # made up where the document has none
    place: Place
    states: "tuple[StateNode, ...]" = ()
    histories: "tuple[StateNode, ...]" = ()
    initial: tuple[str, ...] = ()  # empty where the document says nothing: the first state
    transitions: tuple[TransitionNode, ...] = ()
    enter: tuple[tuple[Content, ...], ...] = ()  # one for each <onentry>: an error ends one, not the others
    leave: tuple[tuple[Content, ...], ...] = ()
    is_deep: bool = False

    @property
    def is_region(self) -> bool:
        """Whether states stand in it."""
        return bool(self.states)


@frozen(eq=False)
class Document:
    """A whole document."""

    name: str | None
    root: StateNode
    data: tuple[Data, ...]
    scripts: tuple[Script, ...]  # of the document: they run once, after the data is made
    functions: dict[str, Function]
    place: Place
    states: dict[str, StateNode] = field(factory=dict[str, StateNode])  # by id, in document order
