"""What a backup is held to before it gets its name: pages, seals, and every chain from its genesis to its head."""

from collections.abc import Iterator

from persistence import Corrupt, Reader
from persistence.lane import lane_facts
from statemachine.errors import Refused
from statemachine.loading import broken_head
from statemachine.proving import check_chain

__all__ = ["damage_of"]


def damage_of(reader: Reader) -> Iterator[str]:
    """Yield what is wrong with a store, one text for each place; nothing where it is sound. Reads all of it."""
    yield from reader.damage()
    yield from lane_facts(reader.lane()).broken
    for instance in reader.instances():
        reason = _broken(reader, instance)
        if reason is not None:
            yield reason


def _broken(reader: Reader, instance: str) -> str | None:
    try:
        head = reader.head(instance)
        if head is None:
            return f"{instance!r}: it cannot be read by its name"
        check_chain(head, reader.journal(instance), reader.stubs(instance))
    except (Corrupt, Refused) as error:
        return f"{instance!r}: {error}"
    return None if broken_head(head) is None else f"{instance!r}: {broken_head(head)}"
