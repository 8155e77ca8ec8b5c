"""What a journal proves of its instance without its head: asked where a head or its row is damaged.

Rows are read by whose they are, so that no damaged pointer hides one. From version 1 on each must follow from the one
before it by hash, be legal under the definition that wrote it, and stand under a seal that holds it. What the first
break means depends on where it is: at the newest version the head may prove what the row no longer says.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from attrs import evolve, field, frozen

from persistence import Corrupt, Found, Head, Reader, Row, Sealed, Stub, records
from persistence.lane import LaneFacts
from persistence.records import digests, genesis, image_digest, proof_of
from statemachine.chains import Chain, Charts, walk
from statemachine.errors import DataError
from statemachine.folding import Folding, follow
from statemachine.limits import Limits
from statemachine.loading import broken_head, outcome_of

__all__ = ["Proof", "Traces", "damaged_places", "head_of", "prove", "traces_of"]


@frozen
class Proof:
    """What the rows of an instance say of its damaged head; texts are reasons."""

    chain: Chain
    rows: tuple[int, ...] = field(factory=tuple)  # n of each row of the chain, stubs left out
    broken: str | None = None  # in the middle, or where nothing proves the tail
    torn: str | None = None  # the head's own row is damaged, everything before it is sound
    differs: str | None = None  # how the head disagrees with a journal that is sound
    head: Head | None = None  # the one that the journal or the seal proves
    image: bytes | None = None  # of that head
    stub: Stub | None = None  # in the place of the torn row; None where no seal holds the head's hash
    loses: tuple[str, ...] = field(factory=tuple)  # what stands above the last sound version


PLACE_MAX = 2**63 - 2  # behind which no row can follow: a damaged one may stand there


@frozen
class Traces:
    """Where what proves some instances stands: one look at journal and lane for all of them."""

    places: Mapping[str, tuple[int, ...]]  # by instance: of rows that say they are its own, and of its newest
    sealed: Mapping[bytes, Sealed]  # by hash: what in the lane has that of one of their heads
    last: int  # of the lane as it was looked at


def traces_of(reader: Reader, heads: Sequence[Head], *, earlier: Traces | None = None) -> Traces:
    """Look for the traces of some instances; of those that were known earlier, only behind what was looked at then."""
    names = [head.instance for head in heads]
    if earlier is not None and all(name in earlier.places for name in names):
        later = reader.places(names, first=min(earlier.last, PLACE_MAX) + 1)
        return evolve(earlier, places={name: (*earlier.places[name], *later.get(name, ())) for name in names})
    wanted, sealed, last = {head.hash for head in heads}, dict[bytes, Sealed](), 0
    for one in reader.lane():
        last = one.n
        if one.hash in wanted:
            sealed.setdefault(one.hash, one)
    found = reader.places(names)
    return Traces({name: tuple(found.get(name, ())) for name in names}, sealed, last)


def damaged_places(reader: Reader, heads: Sequence[Head], traces: Traces) -> Iterator[int]:
    """Iterate over the places of rows that do not follow in the journals of some instances, whatever seals say."""
    for head in heads:
        found = reader.evidence(head.instance, traces.places[head.instance])
        rows = [one.row for one in found if one.row is not None]
        follows = {
            one.hash
            for _, one, reason, _ in follow(head, rows, reader.stubs(head.instance))
            if one is not None and reason is None
        }
        yield from (one.n for one in found if one.hash not in follows)


def prove(head: Head, reader: Reader, traces: Traces, *, charts: Charts, lane: LaneFacts) -> Proof:
    """Gather what is proven of an instance whose head or newest row is damaged."""
    found = reader.evidence(head.instance, traces.places[head.instance])
    stubs = reader.stubs(head.instance)
    chain = walk(head, [one.row for one in found if one.row is not None], stubs, charts=charts, lane=lane)
    chain = _said_unreadable(chain, found)
    places = {one.hash: one.n for one in found}
    rows = tuple(places[one.hash] for one in chain.standing if isinstance(one, Row))
    proof = Proof(chain, rows=rows, loses=_above(len(chain.standing), found, head))
    standing = set(rows)
    leftover = [one for one in found if one.n not in standing]
    moved = _moved(found, rows, lane)
    if moved is not None:
        return evolve(proof, broken=moved)
    if chain.reason is None:
        chain = _short_of(head, chain, rows, lane=lane)
        proof = evolve(proof, chain=chain)
    if chain.reason is None:
        return _of_sound(proof, head, charts)
    if not chain.is_torn or head.version != len(chain.standing) + 1 or len(leftover) > 1:
        return evolve(proof, broken=chain.reason)
    if charts(head.fingerprint) is None:  # the transition that tells of a repair would stand under it
        return evolve(proof, broken=f"{chain.reason}; the definition that wrote its head is missing or damaged")
    image = _image_beside(head, reader)
    if image is None:
        return evolve(proof, broken=f"{chain.reason}; its data is lost with it, it is too large to stand in the head")
    stub = _stub(head, chain, [n for n in traces.places[head.instance] if n not in standing], traces=traces, lane=lane)
    return evolve(proof, torn=chain.reason, head=head, image=image, stub=stub)


def _image_beside(head: Head, reader: Reader) -> bytes | None:
    """Return the image of a head without its journal: its own, or that of a named checkpoint of the same version."""
    if head.image is not None:
        return head.image
    try:
        named = reader.checkpoints(head.instance)
    except Corrupt:
        return None
    return next((one.image for one in named if image_digest(one.image) == head.image_digest), None)


def _moved(found: Sequence[Found], rows: Sequence[int], lane: LaneFacts) -> str | None:
    """Return which row of a chain does not stand where it was committed: pointers cannot be led along it."""
    standing = {one.n: one for one in found}
    for before, n in pairwise((0, *rows)):
        one = standing[n]
        if n <= before:
            return f"version {one.version}: its row stands at {n}, out of the order of commits"
        if lane.is_in_stretch(n) and lane.proves(n, one.hash) is None:
            place = next((place for place in lane.missing if lane.proves(place, one.hash) is not None), None)
            if place is not None:
                return f"version {one.version}: its row stands at {n}, and was committed as row {place}"
    return None


def _said_unreadable(chain: Chain, found: Sequence[Found]) -> Chain:
    """Name the row that cannot be read where it would only be missed."""
    version = len(chain.standing) + 1
    if not any(one.row is None and one.version == version for one in found):
        return chain
    return evolve(chain, reason=f"version {version}: its row cannot be read", is_torn=True)


def _above(sound: int, found: Sequence[Found], head: Head) -> tuple[str, ...]:
    """Return the versions above the last sound one, each with its event."""
    told = {
        one.version: "a row that cannot be read" if one.row is None else one.row.record.event
        for one in found
        if one.version > sound
    }
    if head.version > sound:
        told.setdefault(head.version, "a row that is missing")
    return tuple(f"version {version}: {event}" for version, event in sorted(told.items()))


def _short_of(head: Head, chain: Chain, rows: Sequence[int], *, lane: LaneFacts) -> Chain:
    """Say of a chain that ends well whether a newer transition may be lost: then it is no sound journal."""
    newest, version = chain.standing[-1:], len(chain.standing)
    hashes = _hashes(head, chain)
    if head.hash in hashes[1:] or (newest and head.version == version and head.previous_hash == hashes[-2]):
        return chain  # the head tells of a transition that the chain holds
    last = rows[-1] if rows else 0
    is_ahead = head.version > version or head.previous_hash == hashes[-1]
    if newest and not is_ahead and not any(n > last for n in lane.missing[-1:]):
        return chain  # the head tells nothing, and no row is missing that it could have told of
    return evolve(chain, reason=f"version {version + 1}: its row is missing from the journal", is_torn=True)


def _hashes(head: Head, chain: Chain) -> list[bytes]:
    """Return the hash after each version, from 0 on."""
    return [genesis(head.instance, head.workflow, head.secret), *(one.hash for one in chain.standing)]


def _of_sound(proof: Proof, head: Head, charts: Charts) -> Proof:
    newest = proof.chain.standing[-1]
    if isinstance(newest, Stub):
        return evolve(proof, broken=f"version {newest.version}: it was set aside, and what repaired it is missing")
    try:
        image = proof.chain.folding.encoded()
    except DataError as error:
        return evolve(proof, broken=f"version {len(proof.chain.standing)}: {error}")
    previous = _hashes(head, proof.chain)[-2]
    proven = head_of(newest, head, folding=proof.chain.folding, previous=previous, charts=charts)
    return evolve(proof, head=proven, image=image, differs=_differs(head, proven))


def head_of(row: Row, head: Head, *, folding: Folding, previous: bytes, charts: Charts) -> Head:
    """Return the head that a proven row makes, for the instance of `head`. Raises DataError where it has no image."""
    record, image = row.record, folding.encoded()
    # What the engine's own limit is, only its heads say.
    inline_bytes_max = (
        Limits().inline_bytes_max if head.image is None else max(len(head.image), Limits().inline_bytes_max)
    )
    chart = charts(record.fingerprint)
    outcome = None if chart is None else outcome_of(record.after, chart)
    chained = (row.hash, previous, digests(record)[0])
    stored = (image_digest(image), image if len(image) <= inline_bytes_max else None)
    patches = (folding.patches, folding.patched)
    proven = records.head_of(record, chained, stored, secret=head.secret, outcome=outcome, patches=patches)
    proven.quarantine = head.quarantine
    return proven


PROVEN = (
    "version", "configuration", "fingerprint", "revision", "epoch", "incarnation", "time", "outcome", "hash",
    "previous_hash", "rest_digest", "image_digest", "image", "patches", "patched",
)  # fmt: skip
"""What a journal proves of a head."""


def _differs(head: Head, proven: Head) -> str:
    names = [name.replace("_", " ") for name in PROVEN if getattr(head, name) != getattr(proven, name)]
    if not names:
        return f"version {head.version}: the pointers to its rows were changed"
    return f"version {proven.version}: the head's {', '.join(names)} was changed; the journal is sound"


def _stub(head: Head, chain: Chain, places: Sequence[int], *, traces: Traces, lane: LaneFacts) -> Stub | None:
    """Return what would take a torn row's place, if head and seal prove each other; `places` are tried first."""
    if broken_head(head) is not None or head.previous_hash != _hashes(head, chain)[-1]:
        return None
    stored = traces.sealed.get(head.hash)
    if stored is not None and not lane.is_in_stretch(stored.n):
        sealed: Sealed | None = stored
    else:
        tried = [*places, *lane.missing] if stored is None else [stored.n]
        sealed = next((one for n in tried if (one := lane.proves(n, head.hash)) is not None), None)
    if sealed is None:
        return None
    return Stub(sealed.n, head.instance, head.version, head.hash, sealed.seal, proof_of(head))
