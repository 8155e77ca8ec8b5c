"""Named checkpoints against the journal that they were taken from.

A checkpoint is sound if and only if it can be read, and version, hash and image are those of one transition.
Label, tags, note and time are its author's word and proven by nothing.

Its hash says which version was meant, where that is a hash of the journal; else its version does, if the image is that
after it. From there everything that is proven is derived again. Where neither says it, or the journal no longer reaches
so far, or only the stub of a row stands there, the checkpoint is reported and left as it is.
"""

from collections.abc import Sequence

from attrs import frozen

from persistence import Checkpoint, Corrupt, Head, Reader, Row, Stub
from persistence.records import image_digest
from statemachine.errors import DataError
from statemachine.folding import folded
from statemachine.loading import broken_head

__all__ = ["DamagedCheckpoint", "damaged_checkpoints"]


@frozen
class Proven:
    """What a checkpoint has to say: version, hash and image of one transition."""

    version: int
    hash: bytes
    image: bytes


@frozen
class DamagedCheckpoint:
    """A named checkpoint that does not prove, and why."""

    instance: str
    label: str
    reason: str
    proven: Proven | None = None  # what it is derived again from; None where nothing says it

    def __str__(self) -> str:
        """Return the finding in one line, with what can be done."""
        repair = "perdure recover derives it again" if self.proven else "the journal does not say what it was"
        return f"checkpoint {self.label!r} of {self.instance!r} is damaged: {self.reason}; {repair}"

    @property
    def repaired(self) -> str:
        """What is told of it once it was derived again."""
        return f"checkpoint {self.label!r} of {self.instance!r} was derived again from the journal: {self.reason}"


def damaged_checkpoints(reader: Reader, head: Head, standing: Sequence[Row | Stub]) -> tuple[DamagedCheckpoint, ...]:
    """Return the checkpoints of an instance that do not prove; `standing` is its journal as far as proven."""
    try:
        labels = reader.labels(head.instance)
    except Corrupt as error:
        return (DamagedCheckpoint(head.instance, "", str(error)),)
    places = {one.hash: version for version, one in enumerate(standing, 1)} if labels else {}
    judged = (_judged(reader, head, standing, label=label, meant=places.get(row_hash, 0)) for label, row_hash in labels)
    return tuple(one for one in judged if one is not None)


def _judged(
    reader: Reader, head: Head, standing: Sequence[Row | Stub], *, label: str, meant: int
) -> DamagedCheckpoint | None:
    found, reason = None, "it cannot be read"
    try:
        found = next(iter(reader.checkpoints(head.instance, label=label)), None)
    except Corrupt as error:
        reason = str(error)
    version = meant or _version(found, standing)
    if version == 0:
        if found is not None and _is_of_head(found, head):
            return None
        reason = reason if found is None else f"no sound version has its hash, nor its image at version {found.version}"
        return DamagedCheckpoint(head.instance, label, reason)
    one = standing[version - 1]
    proven = _proven(standing, version)
    digest = one.proof[32:] if isinstance(one, Stub) else None if proven is None else image_digest(proven.image)
    if found is not None:
        told = (found.version, found.hash, image_digest(found.image))
        if told == (version, one.hash, digest):
            return None
        names = ("version", "hash", "image")
        wrong = [
            name for name, is_so, due in zip(names, told, (version, one.hash, digest), strict=True) if is_so != due
        ]
        reason = f"its {', '.join(wrong)} is not what the journal proves at version {version}"
    return DamagedCheckpoint(head.instance, label, reason, proven)


def _version(found: Checkpoint | None, standing: Sequence[Row | Stub]) -> int:
    """Return the version that a checkpoint names, if its image is the one after it; else 0."""
    if found is None or not 0 < found.version <= len(standing):
        return 0
    proven = _proven(standing, found.version)
    return found.version if proven is not None and proven.image == found.image else 0


def _proven(standing: Sequence[Row | Stub], version: int) -> Proven | None:
    """Fold a version; None where only its stub stands."""
    one = standing[version - 1]
    if isinstance(one, Stub):
        return None
    try:
        image = folded([row for row in standing[:version] if isinstance(row, Row)]).encoded()
    except DataError:
        return None
    return Proven(version, one.hash, image)


def _is_of_head(found: Checkpoint, head: Head) -> bool:
    """Say whether it is of the head's version, where the head proves itself and its row is lost."""
    told = (found.version, found.hash, image_digest(found.image))
    return told == (head.version, head.hash, head.image_digest) and broken_head(head) is None
