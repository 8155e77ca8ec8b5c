"""A journal as far as it proves itself: what recovery finds damage by, and what a backup is held to.

From version 1 on each transition must follow from the one before it by hash, begin where that one ended, be legal under
the definition that wrote it, and stand under a seal that holds it.
"""

from collections.abc import Callable, Iterable, Sequence

from attrs import field, frozen

from persistence import Corrupt, Head, Reader, Row, Stub
from persistence.lane import LaneFacts
from statemachine.chart import Chart
from statemachine.folding import Folding, follow
from statemachine.loading import illegal

__all__ = ["Chain", "Charts", "charts_of", "walk"]

Charts = Callable[[bytes], Chart | None]


@frozen
class Chain:
    """A journal as far as it proves itself."""

    standing: tuple[Row | Stub, ...] = ()  # versions 1, 2, 3 …
    reason: str | None = None  # why the version after them does not follow; None where there is none
    folding: Folding = field(factory=Folding)  # the image after the newest version, where there is no reason
    is_torn: bool = False  # that version's row is lost or changed; else it is whole, and wrong

    def reaches(self, head: Head) -> bool:
        """Say whether it leads to a head and ends there."""
        standing = self.standing
        if self.reason is not None or not len(standing) == head.version > 0 or standing[-1].hash != head.hash:
            return False
        # The counts of patches are proven by nothing but the rows that they count.
        counted = (self.folding.patches, self.folding.patched)
        return isinstance(standing[-1], Stub) or counted == (head.patches, head.patched)


def charts_of(reader: Reader, classes: Iterable[Chart]) -> Charts:
    """Return a function that gives the chart of a fingerprint; None for one that is missing or damaged.

    A chart of a class proves its fingerprint itself; any other is read from the store, once.
    """
    known: dict[bytes, Chart | None] = {chart.fingerprint: chart for chart in classes}

    def chart(fingerprint: bytes) -> Chart | None:
        if fingerprint not in known:
            try:
                text = reader.definition(fingerprint)
                found = None if text is None else Chart(text)
            except (AttributeError, Corrupt, KeyError, TypeError, ValueError):
                found = None
            known[fingerprint] = found if found is not None and found.fingerprint == fingerprint else None
        return known[fingerprint]

    return chart


def walk(head: Head, rows: Sequence[Row], stubs: Sequence[Stub], *, charts: Charts, lane: LaneFacts) -> Chain:
    """Follow a journal from version 1, as far as it proves itself. Pure, but for reading the charts."""
    standing = list[Row | Stub]()
    before: str | None = ""  # the configuration; None after a stub, where it is lost
    folding = Folding()
    for version, found, reason, folded in follow(head, rows, stubs):
        if found is None or reason is not None:
            return Chain(tuple(standing), f"version {version}: {reason}", is_torn=True)
        wrong = _wrong(found, before, charts=charts, lane=lane)
        if wrong is not None:
            return Chain(tuple(standing), f"version {version}: {wrong}")
        standing.append(found)
        folding, before = folded, found.record.after if isinstance(found, Row) else None
    return Chain(tuple(standing), folding=folding)


def _wrong(found: Row | Stub, before: str | None, *, charts: Charts, lane: LaneFacts) -> str | None:
    """Return what is wrong with a transition that follows by its hash; `before` is None after a stub: it is lost."""
    if lane.doubts(found.hash):
        return "the seal of its commit does not hold its hash"
    if isinstance(found, Stub):
        return None
    record = found.record
    if before is not None and record.before != before:
        return f"it starts from {record.before!r}, the row before it ended in {before!r}"
    chart = charts(record.fingerprint)
    if chart is None:
        return "the definition that wrote it is missing or damaged"
    return illegal(record.after, chart)
