"""What a host of workflows that were read from documents needs: their events, their states' ids, what they sent."""

from collections.abc import Mapping

from statemachine.codec import Json
from statemachine.errors import Refused
from statemachine.scxml.compiling import program_of
from statemachine.scxml.data import DocumentData, DocumentEvent, Pending

__all__ = ["due", "make_event", "state_ids"]


def make_event(workflow: type[object], name: str, *, data: Json = None, pending: int = 0) -> DocumentEvent:
    """Return an event of a workflow by its name in the document, ready to be sent.

    `pending` is the number of one that the document sent to itself. A name that no transition takes raises Refused
    (`unknown_event`). Pure.
    """
    program = program_of(workflow)
    found = program.event(name, data=data, pending=pending)
    if found is None:
        raise Refused(
            "unknown_event", f"no transition of {program.name} takes {name[:60]!r}; it has {', '.join(program.events)}"
        )
    return found


def due(data: DocumentData, now_ms: int) -> list[Pending]:
    """Return what an instance sent to itself and is due at a time (milliseconds since 1970 UTC), in the order to send.

    Send `make_event(workflow, one.event, data=one.data, pending=one.number)`: the transition that takes it also takes
    it off the list, so that after a crash it is sent again or not at all. Pure.
    """
    return sorted((one for one in data.pending if one.due_ms <= now_ms), key=lambda one: (one.due_ms, one.number))


def state_ids(workflow: type[object]) -> Mapping[str, str]:
    """Return the ids of the document's states by their full names in the workflow. Pure."""
    return {path: known for known, path in program_of(workflow).paths.items()}
