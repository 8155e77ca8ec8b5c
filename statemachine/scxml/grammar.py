"""Which elements and attributes of SCXML (W3C Recommendation, September 2015) are read: the table."""

from collections.abc import Mapping

from attrs import frozen

__all__ = ["CONTENT", "GRAMMAR", "NAMESPACE", "UNSUPPORTED", "Rule"]

NAMESPACE = "http://www.w3.org/2005/07/scxml"

CONTENT = ("assign", "cancel", "foreach", "if", "log", "raise", "script", "send")
"""Executable content: what can be done on entry, on exit and by a transition."""


@frozen
class Rule:
    """What one element may have."""

    attributes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    has_text: bool = False


_INSIDE = ("datamodel", "history", "onentry", "onexit", "parallel", "state", "transition")

GRAMMAR: Mapping[str, Rule] = {
    # A transition directly in <scxml> is not in the Recommendation; it is asked in every state, after all others.
    "scxml": Rule(
        ("binding", "datamodel", "initial", "name", "version"),
        children=("datamodel", "final", "parallel", "script", "state", "transition"),
    ),
    "state": Rule(("id", "initial"), children=("final", "initial", *_INSIDE)),
    "parallel": Rule(("id",), children=_INSIDE),
    "final": Rule(("id",), children=("onentry", "onexit")),
    "history": Rule(("id", "type"), children=("transition",)),
    "initial": Rule(children=("transition",)),
    "transition": Rule(("cond", "event", "target", "type"), children=CONTENT),
    "onentry": Rule(children=CONTENT),
    "onexit": Rule(children=CONTENT),
    "datamodel": Rule(children=("data",)),
    "data": Rule(("expr", "id"), ("id",), has_text=True),
    "assign": Rule(("expr", "location"), ("location",), has_text=True),
    "raise": Rule(("event",), ("event",)),
    "log": Rule(("expr", "label")),
    "script": Rule(("src",), has_text=True),
    "if": Rule(("cond",), ("cond",), (*CONTENT, "else", "elseif")),
    "elseif": Rule(("cond",), ("cond",)),
    "else": Rule(),
    "foreach": Rule(("array", "index", "item"), ("array", "item"), CONTENT),
    "send": Rule(
        ("delay", "delayexpr", "event", "eventexpr", "id", "idlocation", "namelist", "target", "type"),
        children=("content", "param"),
    ),
    "param": Rule(("expr", "location", "name"), ("name",)),
    "content": Rule(("expr",), has_text=True),
    "cancel": Rule(("sendid", "sendidexpr")),
}
"""Every element that is read, and what it may have."""

UNSUPPORTED: Mapping[str, str] = {
    "donedata": "the end of a region carries no data. Put it into the data model.",
    "finalize": "documents start no other sessions. Drop it.",
    "invoke": "documents start no other sessions. Declare the workflow in Python, with a task.",
}
"""Elements of SCXML that are refused, each with the repair."""
