"""Choosing instances by where they stand: filters, and cursors that stay right while instances start and move on."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import TypedDict, TypeVar

from attrs import frozen

from persistence import Reader, Standing
from statemachine._codec.scalars import shown
from statemachine.chart import Configuration
from statemachine.definition import Definition
from statemachine.errors import DefinitionError, Refused
from statemachine.events import checked_text
from statemachine.limits import Limits
from statemachine.loading import configuration_of
from statemachine.states import Ref

__all__ = ["Filters", "Listing", "chosen"]

T = TypeVar("T")


class Filters(TypedDict, total=False):
    """What to list, as the keywords of `Engine.list`; None leaves nothing out."""

    state: Ref | str | None  # a state or region, or its full name, is active
    tag: str | None  # a state or region that has it is active
    outcome: str | None  # it ended so
    running: bool | None  # it has not ended, or it has
    limit: int | None
    after: str | None  # the cursor of the page before


class Listing(list[T]):
    """A page of instances. `cursor` goes on behind it, as `after=`; None where there are no more."""

    cursor: str | None = None


@frozen
class Chosen:
    """Ids of instances, and the cursor behind them."""

    instances: tuple[str, ...]
    cursor: str | None

    def of(self, make: Callable[[str], T]) -> Listing[T]:
        """Return what is made of each id."""
        listing = Listing(make(instance) for instance in self.instances)
        listing.cursor = self.cursor
        return listing


def chosen(reader: Reader, definition: Definition, filters: Filters, *, limits: Limits) -> Chosen:
    """Return which instances of a workflow pass. Raises Refused `invalid_argument`, DefinitionError, TypeError."""
    unknown = filters.keys() - Filters.__annotations__.keys()
    if unknown:  # a misspelt filter would leave nothing out
        raise TypeError(
            f"list() has no filter {', '.join(sorted(unknown))}; it has {', '.join(Filters.__annotations__)}"
        )
    limit, running, outcome = filters.get("limit"), filters.get("running"), filters.get("outcome")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise Refused("invalid_argument", f"limit={shown(limit)} is no number from 1 on")
    after = _begin(reader, definition, filters.get("after"), limits=limits)
    wanted = _wanted(definition, filters)
    known: dict[str, bool] = {}  # by configuration: there are few, of many instances
    found: list[str] = []
    for standing in reader.standings(definition.name, after=after, running=running is True):
        if (outcome is not None and standing.outcome != outcome) or (running is False and standing.outcome is None):
            continue
        if wanted is not None and not _stands(standing, wanted, known):
            continue
        found.append(standing.instance)
        if len(found) == limit:
            return Chosen(tuple(found), _cursor(definition, found[-1]))
    return Chosen(tuple(found), None)


def _wanted(definition: Definition, filters: Filters) -> list[frozenset[str]] | None:
    """Return sets of states, of each of which one must be active; None where none is asked for."""
    state, tag = filters.get("state"), filters.get("tag")
    sets = list[frozenset[str]]()
    if state is not None:
        sets.append(frozenset({_name(definition, state)}))
    if tag is not None:
        named = frozenset(name for name, tags in definition.tags.items() if tag in tags)
        if not named:
            tags = sorted({one for tags in definition.tags.values() for one in tags})
            has = f"it has {', '.join(tags)}" if tags else "it has none"
            raise Refused("invalid_argument", f"no state of {definition.name} has the tag {shown(tag)}; {has}")
        sets.append(named)
    return sets or None


def _name(definition: Definition, state: Ref | str) -> str:
    if isinstance(state, str):
        if state in definition.paths.values():
            return state
        names = ", ".join(name for name in definition.chart.nodes if name)
        raise Refused("invalid_argument", f"{definition.name} has no state {shown(state)}; it has {names}")
    name = definition.paths.get(state)
    if name is None:
        raise DefinitionError("PD106", f"{definition.name}: {state!r} is no state of this workflow.")
    return name


def _stands(standing: Standing, wanted: Iterable[frozenset[str]], known: dict[str, bool]) -> bool:
    text = standing.configuration
    if text not in known:
        active = _active(configuration_of(text))
        known[text] = all(not names.isdisjoint(active) for names in wanted)
    return known[text]


def _active(configuration: Configuration) -> set[str]:
    """Return the names of the active leaves and of all regions around them."""
    parts = (leaf.split(".") for leaf in configuration)
    return {".".join(names[:count]) for names in parts for count in range(1, len(names) + 1)}


def _cursor(definition: Definition, instance: str) -> str:
    return urlsafe_b64encode(f"{definition.name}\0{instance}".encode()).decode()


def _begin(reader: Reader, definition: Definition, cursor: str | None, *, limits: Limits) -> str | None:
    """Return the instance that a cursor stands behind. Raises Refused `invalid_argument`."""
    if cursor is None:
        return None
    checked_text("after", cursor, 4 * limits.text_bytes_max)
    try:
        name, _, instance = b64decode(cursor, altchars=b"-_", validate=True).decode().partition("\0")
    except ValueError as error:
        raise Refused("invalid_argument", f"after={shown(cursor)} is no cursor of a list") from error
    if name != definition.name or reader.head(instance) is None:
        raise Refused("invalid_argument", f"after={shown(cursor)} is a cursor of another list of instances")
    return instance
