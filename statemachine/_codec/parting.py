"""A value of a class as the bytes of each of its fields: what has not changed since the last time is not written again.

Its frozen form tells what has changed, which costs a comparison for each field. Put together, the parts are the bytes
that the whole value is written as. Of a list of objects each is written by itself, and only where it has changed.
"""

from collections.abc import Callable, Sequence
from typing import cast

from attrs import frozen

from statemachine._codec.codegen import Body
from statemachine._codec.freezing import is_told_apart
from statemachine._codec.kinds import Items, Kind, Record
from statemachine._codec.writing import Write, program_for
from statemachine.patches import Listed

__all__ = ["Parted", "parted"]

Parts = tuple[bytes, ...]
Frozen = tuple[object, ...]
PartsOf = Callable[[object, object, object, Parts], Parts]


@frozen(eq=False)
class Parted:
    """How values of one class are written in parts."""

    keys: Parts  # as they are encoded, in the order of the fields
    parts_of: PartsOf
    """From a value, its frozen form, and an earlier frozen form with its parts. Raises what writing raises."""
    nothing: tuple[tuple[object, ...], Parts]
    """Stands for the earlier form and its parts where there is none."""
    template: bytes  # `template % parts` are the bytes of a value


def parted(kind: Record, how: Write) -> Parted:
    """Return how values of a class are written in parts."""
    program, count, body = program_for(how), len(kind.members), Body()
    program.names["listed"] = _listed
    for name, given in (("part", "parts"), ("now", "frozen"), ("was", "earlier")):
        body.add(f"[{', '.join(f'{name}{number}' for number in range(count))}] = {given}")
    for number, member in enumerate(kind.members):
        is_changed = f"now{number} is not was{number}"
        if is_told_apart(member.kind):  # else equal ones may be other bytes
            is_changed += f" and now{number} != was{number}"
        body.add(f"if {is_changed}:")
        inner = body.inner()
        inner.add(f"one = x.{member.name}")
        item = _object_in(member.kind)
        if item is None:
            program.emit(member.kind, "one", inner)
            inner.add(f"part{number} = to_bytes(one)")
        else:
            program.texts.append(f"def write{number}(x):\n    return to_bytes({program.function(item)}(x))")
            inner.add(f"part{number} = listed(write{number}, one, part{number}, now=now{number}, was=was{number})")
    body.add(f"return ({''.join(f'part{number}, ' for number in range(count))})")
    program.texts.append("\n".join(["def parts_of(x, frozen, earlier, parts):", *body.lines]))
    keys = tuple(how.to_bytes(member.name) for member in kind.members)
    template = b"{" + b",".join(key.replace(b"%", b"%%") + b":%b" for key in keys) + b"}"
    nothing = tuple(object() for _ in keys), tuple(b"" for _ in keys)
    return Parted(keys, cast("PartsOf", program.compiled("parts_of")), nothing, template)


def _object_in(kind: Kind) -> Kind | None:
    """Return the kind of the objects in a list that is written one by one; None for what is written as a whole."""
    if isinstance(kind, Items) and kind.kind in {list, tuple} and isinstance(kind.item, Record):
        return kind.item
    return None


def _listed(
    write: Callable[[object], bytes], values: Sequence[object], part: bytes, *, now: Frozen, was: Frozen
) -> Listed:
    """Write a list whose frozen form is `now`; what stands in its place in `was` has its bytes in `part`."""
    known = part.items if isinstance(part, Listed) else ()
    stays = range(min(len(now), len(known)))
    items = [known[place] if now[place] is was[place] else write(values[place]) for place in stays]
    if len(items) < len(now):
        items += map(write, values[len(items) :])
    return Listed.of(items)
