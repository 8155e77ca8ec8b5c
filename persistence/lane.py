"""The order of commits: every seal recomputed, and what a seal proves of a row that is damaged or lost. Pure.

A seal covers the seal before it and the hashes of its commit's rows. Where it does not follow, one of four things was
changed: a row's hash, the seal itself, the seal before it, or a row is gone. The rows around such a place are kept as a
`Stretch`, from the last seal that holds to the next one that does, so that a hash known from elsewhere (an instance's
head) can be tried in it: if a stored seal then follows, it proves that hash.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice

from attrs import define, evolve, field, frozen

from persistence.records import Sealed, seal_of

__all__ = ["NO_SEAL", "LaneFacts", "Stretch", "lane_facts"]

NO_SEAL = bytes(32)
MISSING_MAX = 10_000  # a number that was damaged can leave a gap of any size
CUTS_MAX = 1_000  # places at which a lost seal may have stood that are tried; no commit has more rows
BASES_MAX = 4  # seals that a commit after a broken one is tried with; each further one would be a further fault
COMMITS_MAX = 2  # before and behind a row's own that are tried with it; as above


@frozen
class Stretch:
    """Rows whose seals do not follow, between two that do."""

    seal: bytes  # the one before it, which holds
    first: int
    last: int
    rows: tuple[Sealed, ...]  # of the positions from first to last that are there

    def proves(self, n: int, row_hash: bytes) -> Sealed | None:
        """Return the position n as it was sealed, if a stored seal proves that it had this hash."""
        return next((found for part in self._parts(n) if (found := part.tried(n, row_hash)) is not None), None)

    @cached_property
    def _sealed(self) -> list[Sealed]:
        return [row for row in self.rows if row.seal is not None]

    @cached_property
    def _places(self) -> tuple[list[int], list[int]]:
        return [row.n for row in self._sealed], [row.n for row in self.rows]

    def _parts(self, n: int) -> Iterator["Stretch"]:
        """Yield the commit of a position with those behind it, and then with the one before it, and so on."""
        ends, places = self._places
        own = bisect_left(ends, n)
        last = ends[own + COMMITS_MAX] if own + COMMITS_MAX < len(ends) else self.last
        for place in range(own - 1, max(own - 2 - COMMITS_MAX, -2), -1):
            before = self._sealed[place] if place >= 0 else None
            seal, first = (self.seal, self.first) if before is None else (before.seal or b"", before.n + 1)
            yield Stretch(seal, first, last, self.rows[bisect_left(places, first) : bisect_right(places, last)])

    def tried(self, n: int, row_hash: bytes) -> Sealed | None:
        """Return the same, from the seal before it alone."""
        # A seal that is lost, with its row or without, leaves a commit without an end: each place is tried as one.
        sealed = {row.n for row in self.rows if row.seal is not None}
        places = range(self.first, min(self.last, self.first + CUTS_MAX) + 1)
        cuts = [0, n, *(place for place in places if place not in sealed)]
        return next((found for cut in cuts if (found := self._tried(n, row_hash, cut=cut)) is not None), None)

    def doubted(self, damaged: frozenset[int]) -> list[bytes]:
        """Return the hashes of the first commit, if it is whole, none of it is damage and no stored seal proves them.

        A seal that proves one of them as they stand proves all.
        """
        end = next((row.n for row in self.rows if row.seal is not None), self.first)
        commit = [row for row in self.rows if row.n <= end]
        is_whole = len(commit) == end - self.first + 1 and not any(row.n in damaged for row in commit)
        return [row.hash for row in commit] if is_whole and self.proves(end, commit[-1].hash) is None else []

    def _tried(self, n: int, row_hash: bytes, *, cut: int) -> Sealed | None:
        stored = {row.n: row for row in self.rows}
        paths: list[tuple[bytes, Sealed | None]] = [(self.seal, None)]  # a seal that may hold; n as it is sealed then
        hashes, first = list[bytes](), self.first
        for position in range(self.first, self.last + 1):
            row = stored.get(position)
            if row is None and position != n:
                return None
            hashes.append(row_hash if row is None or position == n else row.hash)
            if position != cut and (row is None or row.seal is None):
                continue
            known = None if row is None else row.seal
            following = list[tuple[bytes, Sealed | None]]()
            for base, before in paths:
                seal = seal_of(base, first, tuple(hashes))
                found = before or (Sealed(n, row_hash, seal if position == n else None) if position >= n else None)
                if found is not None and seal == known:
                    return found
                following.append((seal, found))
            stands = [(known, None)] if known is not None and position < n else []
            paths, hashes, first = [*stands, *following][:BASES_MAX], [], position + 1
        return None


@frozen
class LaneFacts:
    """What was found about the order of commits."""

    last: int = 0  # the newest row's number
    rows: int = 0
    seal: bytes = NO_SEAL
    broken: tuple[str, ...] = field(factory=tuple)
    stretches: tuple[Stretch, ...] = field(factory=tuple)
    damaged: frozenset[int] = frozenset()  # positions of rows that are known not to be as they were

    @cached_property
    def missing(self) -> tuple[int, ...]:
        """The positions that hold neither a row nor a stub, the first MISSING_MAX of them, in their order."""
        present = {row.n for stretch in self.stretches for row in stretch.rows}
        places = (n for stretch in self.stretches for n in range(stretch.first, stretch.last + 1))
        return tuple(islice((n for n in places if n not in present), MISSING_MAX))

    def is_in_stretch(self, n: int) -> bool:
        """Say whether the seals around a position do not follow."""
        return self._around(n) is not None

    def _around(self, n: int) -> Stretch | None:
        place = bisect_right(self._firsts, n) - 1
        return self.stretches[place] if place >= 0 and n <= self.stretches[place].last else None

    @cached_property
    def _firsts(self) -> list[int]:
        return [stretch.first for stretch in self.stretches]

    def proves(self, n: int, row_hash: bytes) -> Sealed | None:
        """Return position n as it was sealed, if a seal proves that it had this hash; for positions in a stretch."""
        stretch = self._around(n)
        return None if stretch is None else stretch.proves(n, row_hash)

    def explained(self, places: Iterable[int]) -> "LaneFacts":
        """Return the same, doubting nobody whose commit has a row at one of these places: that is the damage."""
        return evolve(self, damaged=frozenset(places))

    @property
    def has_doubts(self) -> bool:
        """Whether there is any row that `doubts` doubts."""
        return bool(self._doubted)

    def doubts(self, row_hash: bytes) -> bool:
        """Say whether a row of this hash stands in the lane and its seal says that it was another.

        Only the first commit of a stretch can be doubted: of the later ones nobody knows the seal that they follow
        from. Beside a row that is gone, or damaged by itself, nothing is known, and nothing doubted.
        """
        return row_hash in self._doubted

    @cached_property
    def _doubted(self) -> frozenset[bytes]:
        return frozenset(one for stretch in self.stretches for one in stretch.doubted(self.damaged))


@define
class _Walk:
    """The state of one pass: the commit that is being read, and the seals that the next one may follow from."""

    bases: tuple[bytes, ...] = (NO_SEAL,)  # the stored one, and where it does not follow, the one that should be there
    first: int = 1
    rows: list[Sealed] = field(factory=list[Sealed])
    held: list[Sealed] = field(factory=list[Sealed])  # of the stretch that has begun
    held_from: tuple[bytes, int] | None = None


def lane_facts(lane: Iterable[Sealed]) -> LaneFacts:
    """Recompute every seal, in the order of the commits. Pure."""
    walk, broken, stretches = _Walk(), list[str](), list[Stretch]()
    count, last, seal = 0, 0, NO_SEAL
    for row in lane:
        count += 1
        if row.n < 1:
            broken.append(f"a row stands at {row.n}, which is no place in the order of commits")
            continue
        if row.n != last + 1:
            broken.append(_gap(last + 1, row.n - 1))
        walk.rows.append(row)
        last = row.n
        if row.seal is None:
            continue
        seal = row.seal
        reason, stretch = _end_commit(walk)
        broken += [reason] if reason else []
        stretches += [stretch] if stretch else []
    if walk.rows:
        broken.append(f"rows {walk.first} to {last} carry no seal: their commit is not whole")
    if walk.held_from is not None:
        stretches.append(Stretch(*walk.held_from, last, tuple(walk.held)))
    return LaneFacts(last, count, seal, tuple(broken), tuple(stretches))


def _gap(first: int, last: int) -> str:
    if first == last:
        return f"row {first} is missing from the order of commits"
    return f"rows {first} to {last} are missing from the order of commits"


def _end_commit(walk: _Walk) -> tuple[str | None, Stretch | None]:
    """Judge the commit that has been read; return why its seal does not follow, and a stretch that it ended."""
    rows, first, stored = walk.rows, walk.first, walk.rows[-1].seal or b""
    last = rows[-1].n
    is_whole = last - first + 1 == len(rows)
    hashes = tuple(row.hash for row in rows)
    computed = [seal_of(base, first, hashes) for base in walk.bases]
    walk.rows, walk.first = [], last + 1
    if is_whole and stored in computed:
        # A seal that follows only from the one that should stand before it was not wrong itself: that one was.
        held, begin = walk.held, walk.held_from
        walk.bases, walk.held, walk.held_from = (stored,), [], None
        return None, None if begin is None else Stretch(*begin, last, (*held, *rows))
    begin = walk.held_from or (walk.bases[0], first)
    walk.held_from, walk.held = begin, [*walk.held, *rows]
    walk.bases = (stored, *computed)[:BASES_MAX]
    return f"the seal at row {last} does not follow from rows {first} to {last}", None
