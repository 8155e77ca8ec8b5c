"""Versions that an instance had, and names for them: `instance.at`, `instance.checkpoint`.

A version is proven like the answer of a key: its image is folded from the newest whole one before it, or read from a
checkpoint, and with it the row's hash must follow from that of the row before. A checkpoint that does not prove itself
is passed by: the journal has its image too. Naming a version is no transition, and changes nothing of the instance.
"""

from collections.abc import Callable, Sequence

from attrs import frozen

from persistence import Checkpoint, Head, Reader, Row
from persistence.records import digests, genesis, head_of, image_digest, stub_hash
from statemachine._codec.scalars import shown
from statemachine.chart import Chart
from statemachine.definition import Definition
from statemachine.errors import DataError, Refused
from statemachine.folding import folded
from statemachine.loading import Loaded, configuration_of, memory_of, outcome_of

__all__ = ["Naming", "Version", "loaded_at", "settled"]


@frozen(eq=False)
class Version:
    """A version of an instance, as a `Moment` reads it."""

    loaded: Loaded
    journal: Callable[[str], Sequence[Row]]

    def load(self, definition: Definition, instance: str) -> Loaded:
        """Return the head that it was."""
        del definition, instance
        return self.loaded

    def rows(self, instance: str) -> Sequence[Row]:
        """Return the journal up to it, oldest first, proven."""
        return [row for row in self.journal(instance) if row.record.version <= self.loaded.head.version]


@frozen(eq=False)
class Naming:
    """What a version is to be named."""

    label: str
    tags: tuple[str, ...]
    note: str | None

    def of(self, head: Head, image: bytes, *, time: int) -> Checkpoint:
        """Return the checkpoint of a head."""
        told = (self.label, self.tags, self.note)
        return Checkpoint(head.instance, head.version, head.hash, *told, time=time, image=image)


def settled(known: Checkpoint, naming: Naming, *, version: int) -> Checkpoint:
    """Return a checkpoint that has this label, if it is the one that is meant. Raises Refused `label_taken`."""
    if (known.version, known.tags, known.note) == (version, naming.tags, naming.note):
        return known
    reason = f"{known.instance!r} has a checkpoint {known.label!r}, of version {known.version}; choose another label"
    raise Refused("label_taken", reason, version=version)


def loaded_at(reader: Reader, definition: Definition, instance: str, *, place: int | str) -> Loaded:
    """Return an instance as it was at a version, or at a label. Raises Refused."""
    head = reader.head(instance)
    if head is None or head.workflow != definition.name:
        raise Refused("unknown_instance", f"there is no instance {instance!r} of {definition.name}")
    version, named = _named(reader, head, place) if isinstance(place, str) else (place, None)
    if type(version) is not int or not 1 <= version <= head.version:
        reason = f"{instance!r} has versions 1 to {head.version}, not {shown(place)}"
        raise Refused("invalid_argument", reason, version=head.version)
    # A checkpoint has the image: only what its hash is made of is read then.
    rows = reader.rows_to(instance, version) if named is None else _pair(reader, instance, version)
    if not rows or rows[-1].record.version != version:
        raise _unproven(head, version, "its row is missing, or was set aside")
    row, previous = rows[-1], _previous(reader, head, version, rows=rows)
    if named is None or not _follows(row, named.image, previous):
        rows = rows if named is None else reader.rows_to(instance, version)
        image = _folded(head, rows, previous=previous)
    else:
        image = named.image
    return _loaded(reader, definition, head, row=row, previous=previous, image=image)


def _pair(reader: Reader, instance: str, version: int) -> list[Row]:
    """Return the row of a version, behind the one before it."""
    before = reader.row(instance, version - 1) if version > 1 else None
    return [row for row in (before, reader.row(instance, version)) if row is not None]


def _named(reader: Reader, head: Head, label: str) -> tuple[int, Checkpoint | None]:
    known = reader.checkpoints(head.instance, label=label)
    if known:
        return known[0].version, known[0]
    labels = ", ".join(repr(one.label) for one in reader.checkpoints(head.instance)) or "none"
    reason = f"{head.instance!r} has no checkpoint {shown(label)}; it has {labels}"
    raise Refused("invalid_argument", reason, version=head.version)


def _previous(reader: Reader, head: Head, version: int, *, rows: Sequence[Row]) -> bytes:
    """Return the hash before a version, whose rows have the one before it where it stands."""
    if version == 1:
        return genesis(head.instance, head.workflow, head.secret)
    before = next((row for row in rows if row.record.version == version - 1), None)
    if before is not None:
        return before.hash
    stub = next((stub for stub in reader.stubs(head.instance) if stub.version == version - 1), None)
    if stub is None:
        raise _unproven(head, version, "the row before it is missing")
    return stub.hash


def _follows(row: Row, image: bytes, previous: bytes) -> bool:
    return stub_hash(previous, digests(row.record)[1] + image_digest(image)) == row.hash


def _folded(head: Head, rows: Sequence[Row], *, previous: bytes) -> bytes:
    """Return the image after the last of some rows, proven."""
    row = rows[-1]
    version = row.record.version
    try:
        image = folded(rows).encoded()
    except DataError as error:
        raise _unproven(head, version, str(error)) from error
    if not _follows(row, image, previous):
        raise _unproven(head, version, "its hash does not follow from the row before it, its record and its image")
    return image


def _loaded(reader: Reader, definition: Definition, head: Head, *, row: Row, previous: bytes, image: bytes) -> Loaded:
    record = row.record
    same = definition.fingerprint == record.fingerprint
    text = definition.chart.text if same else reader.definition(record.fingerprint)
    if text is None:
        raise _unproven(head, record.version, "the definition that wrote it is not in the store")
    outcome = outcome_of(record.after, definition.chart if same else Chart(text))
    chained = (row.hash, previous, digests(record)[0])
    was = head_of(record, chained, (image_digest(image), image), secret=head.secret, outcome=outcome)
    was.quarantine = head.quarantine
    return Loaded(was, definition, configuration_of(record.after), memory_of(record.after), image, None)


def _unproven(head: Head, version: int, reason: str) -> Refused:
    repair = "perdure verify FILE says what is sound"
    return Refused("instance_unsound", f"{head.instance!r} version {version}: {reason}; {repair}", version=head.version)
