"""The image after each version of a journal, and whether each version follows from the one before it. Pure.

Version 1 has a whole image; each later row has one, or a patch onto the image before it. A row's hash covers the image
after it, so a row is proven by folding: from version 1 on where a whole journal is followed, and from the newest whole
image on where one version is.
"""

from collections.abc import Iterator, Sequence

from persistence.records import (
    KIND_IMAGE,
    KIND_PATCH,
    Head,
    Row,
    Stub,
    genesis,
    image_digest,
    record_digest,
    stub_hash,
)
from persistence.store import Reader, Transaction
from statemachine.errors import DataError
from statemachine.patches import Image, last_of

__all__ = ["Folding", "folded", "follow", "image_of", "next_standing", "stored_image"]

PARTS = {KIND_IMAGE: b'"image"', KIND_PATCH: b'"patch"'}


def _part_of(row: Row) -> bytes:
    """Return the image or patch in a row's body. Raises DataError where there is none. Pure."""
    name = PARTS.get(row.record.kind)
    if name is None:
        raise DataError(f"its body is of kind {row.record.kind}, which this version cannot read")
    try:
        part = last_of(row.record.body, name)
    except (ValueError, IndexError) as error:
        raise DataError(f"its body cannot be read: {error}") from error
    if part is None:
        raise DataError(f"its body cannot be read: there is no {name.decode()[1:-1]} in it")
    return part


def image_of(row: Row) -> bytes:
    """Return the whole image in a row's body. Raises DataError where there is none. Pure."""
    if row.record.kind != KIND_IMAGE:
        raise DataError("its body holds no whole image")
    return _part_of(row)


class Folding:
    """The image after rows that were taken, oldest first: the newest whole one, and the patches after it."""

    def __init__(self) -> None:
        self._whole: bytes | None = None
        self._image: Image | None = None
        self.patches = 0  # since the whole one
        self.patched = 0

    def copy(self) -> "Folding":
        """Return one that can go on without this one."""
        found = Folding()
        found._whole, found.patches, found.patched = self._whole, self.patches, self.patched
        found._image = None if self._image is None else self._image.copy()
        return found

    def take(self, row: Row) -> None:
        """Go on to the image after a row. Raises DataError where its body says none, and is of no use then."""
        part = _part_of(row)
        if row.record.kind == KIND_IMAGE:
            self._whole, self._image, self.patches, self.patched = part, None, 0, 0
            return
        if self._image is None:
            if self._whole is None:
                raise DataError("no whole image stands before its patch")
            self._image = Image(self._whole)
        self._image.fold(part)
        self.patches += 1
        self.patched += len(row.record.body)

    def encoded(self) -> bytes:
        """Return the image. Raises DataError where no row was taken."""
        if self._image is not None:
            return self._image.encoded()
        if self._whole is None:
            raise DataError("the rows that its image follows from are missing from the journal")
        return self._whole


def folded(rows: Sequence[Row]) -> Folding:
    """Return the image after some rows, oldest first. Raises DataError where it does not follow from them. Pure."""
    is_whole = [row.record.kind == KIND_IMAGE for row in rows]
    folding = Folding()
    for row in rows[len(rows) - 1 - is_whole[::-1].index(True) :] if any(is_whole) else rows:
        folding.take(row)
    return folding


def _broken_row(row: Row, version: int, folding: Folding, *, previous: bytes) -> str | None:
    """Return why a row does not follow from the hash before it; None if it does, and then it is folded. Pure."""
    record = row.record
    if record.version != version:
        return f"a row of version {record.version} stands in its place"
    try:
        folding.take(row)
        image = folding.encoded()
    except DataError as error:
        return str(error)
    if stub_hash(previous, record_digest(record) + image_digest(image)) != row.hash:
        return "its hash does not follow from the row before it, its record and its image"
    return None


def follow(
    head: Head, rows: Sequence[Row], stubs: Sequence[Stub]
) -> Iterator[tuple[int, Row | Stub | None, str | None, Folding]]:
    """Yield version, what stands there, why it does not follow from the version before it, and the image after it.

    Begins with what the head says of its origin (instance, workflow, secret) and ends after the newest version, or the
    first that does not follow. Of several rows that say they are one version, the one that follows is it. The image is
    folded on when the next version is asked for. Pure.
    """
    standing: dict[int, list[Row]] = {}
    for row in rows:
        standing.setdefault(row.record.version, []).append(row)
    left = {stub.version: stub for stub in stubs}
    previous, folding = genesis(head.instance, head.workflow, head.secret), Folding()
    for version in range(1, max((*standing, *left), default=0) + 1):
        at = (version, previous)
        found, reason, folding = next_standing(standing.get(version, []), left.get(version), at, folding=folding)
        yield version, found, reason, folding
        if found is None or reason is not None:
            return
        previous = found.hash


def next_standing(
    rows: list[Row], stub: Stub | None, at: tuple[int, bytes], *, folding: Folding
) -> tuple[Row | Stub | None, str | None, Folding]:
    """Return what stands at a version after a hash, why it does not follow, and the image after it."""
    version, previous = at
    reasons = list[str | None]()
    for row in rows:
        tried = folding if row is rows[-1] else folding.copy()
        reasons.append(_broken_row(row, version, tried, previous=previous))
        if reasons[-1] is None:
            return row, None, tried
    if stub is not None:
        is_proven = stub_hash(previous, stub.proof) == stub.hash
        return stub, None if is_proven else "what a row that was set aside left does not prove its hash", Folding()
    found, reason = (rows[0], reasons[0]) if rows else (None, "its row is missing from the journal")
    return found, reason, Folding()


def stored_image(head: Head, source: Transaction | Reader) -> bytes:
    """Return the image of a head, folded where the journal has it. Raises DataError where that is not the head's."""
    if head.image is not None:
        return head.image
    image = folded(source.rows_to(head.instance, head.version)).encoded()
    if image_digest(image) != head.image_digest:
        raise DataError("its image does not follow from the newest whole one and the patches after it")
    return image
