"""What a backup is held to before it gets its name: pages, seals, and all that each instance says of itself.

That is every chain from its genesis to its head, the definition that wrote each of its transitions, its keys and its
named checkpoints: what `perdure verify` reads, but for data that no longer fits its class, which no copy changes.
"""

from collections.abc import Iterator, Mapping

from attrs import evolve

from persistence import Corrupt, Head, Reader, Row
from persistence.lane import lane_facts
from statemachine.admission import Verdict, judge_head
from statemachine.answers import broken_key
from statemachine.chains import Chain, charts_of, walk
from statemachine.checkpoints import damaged_checkpoints
from statemachine.definition import Definition
from statemachine.loading import examine

__all__ = ["damage_of"]


def damage_of(reader: Reader, definitions: Mapping[str, Definition]) -> Iterator[str]:
    """Yield what is wrong with a store, one text for each place; nothing where it is sound. Reads all of it.

    `definitions` are those at hand: of their workflows the digests of keys are compared with the payloads. What wrote
    the store must stand in it all the same.
    """
    yield from reader.damage()
    lane, counts, charts = lane_facts(reader.lane()), reader.row_counts(), charts_of(reader, ())
    yield from lane.broken
    for instance in reader.instances():
        try:
            head = reader.head(instance)
            if head is None:
                yield f"{instance!r}: it cannot be read by its name"
                continue
            chain = walk(head, reader.journal(instance), reader.stubs(instance), charts=charts, lane=lane)
            count = counts.get(instance, 0)
            yield from _broken(head, chain, reader=reader, count=count, definitions=definitions)
        except Corrupt as error:
            yield f"{instance!r}: {error}"


def _broken(
    head: Head, chain: Chain, *, reader: Reader, count: int, definitions: Mapping[str, Definition]
) -> Iterator[str]:
    """Yield what is wrong with one instance; only the first of what follows from the same damage."""
    told = judge_head(evolve(examine(head, None, source=reader, has_sql=False), mark=None))
    reason = chain.reason
    if reason is None and not chain.reaches(head):
        reason = f"its journal ends at version {len(chain.standing)}, and its head stands at version {head.version}"
    if reason is None and sum(isinstance(one, Row) for one in chain.standing) != count:
        reason = f"{count} rows are kept for it, its head leads to {len(chain.standing)} of them"
    if reason is None and told.verdict is Verdict.QUARANTINED:
        reason = told.reason
    reason = reason or broken_key(reader, head, chain.standing, definitions=definitions)
    if reason is not None:
        yield f"{head.instance!r}: {reason}"
    yield from map(str, damaged_checkpoints(reader, head, chain.standing))
