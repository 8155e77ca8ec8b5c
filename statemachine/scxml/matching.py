"""Descriptors of SCXML and the exact event names of a chart: how an open set of names becomes a closed one.

A descriptor `a.b` takes `a.b` and whatever begins with `a.b.`; `*` takes everything. A chart knows exact names only. So
every name that stands in a document has an event of its own, and a rule listens to all of those that its descriptors
take. A name that does not stand in it, `a.b.c.d`, is the event of the longest known name that begins it. That is the
same: each descriptor that takes the long name begins it, is known, and is not longer than the longest one that does; so
it begins that one too, and takes it. Where no known name begins it, only `*` can take it: that is the event `OTHER`.
"""

from collections.abc import Iterable

__all__ = ["DONE", "OTHER", "longest_known", "takes"]

DONE = "done.state."
"""How the names of events begin that say that a region is done. They come from within, never from outside."""

OTHER = "_other"
"""The stored name of an event of which the document knows nothing."""


def takes(descriptor: str, name: str) -> bool:
    """Say whether a descriptor takes an event. Pure."""
    return descriptor in {"*", name} or name.startswith(f"{descriptor}.")


def longest_known(name: str, known: Iterable[str]) -> str | None:
    """Return the longest known name that begins a name; `OTHER` if none does; None if not even that is known. Pure."""
    names = frozenset(known)
    words = name[: max(map(len, names), default=0) + 1].split(".")  # what is longer is none of them
    for length in range(len(words), 0, -1):
        if (shorter := ".".join(words[:length])) in names:
            return shorter
    return OTHER if OTHER in names else None
