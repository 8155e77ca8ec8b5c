"""What a disk may hold after a power loss: every state that the log of a `RecordingDisk` allows, or a sample of them.

The model. A disk writes whole sectors, and each sector of a file holds, after a crash, one of the contents that it had
since the file was last synced; so does the file's size. Each file that was made or deleted since the folder was last
synced may or may not have been. All of these choices are free of each other: a disk keeps no order that nobody asked it
to keep. On top of that the sectors under the write that was happening may hold noise: a store that opens its file with
psow=0 does not trust the disk with what stands beside the bytes that it writes.

A crash is looked at after each entry of the log. Where the choices are few, every state is made; where they are many,
all new, all old, each one alone new, each one alone old, and as many drawn ones as are asked for.
"""

import hashlib
import math
import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TypeVar

from attrs import define, field, frozen

from recovery.drills.disks.recording import Op, RecordingDisk

__all__ = ["CrashState", "CrashStates"]

SECTOR = 4096
STATES_MAX = 64  # drawn at one point; a point with at most as many is looked at whole
Place = tuple[int, int]  # file, sector
T = TypeVar("T")


@frozen
class CrashState:
    """What a disk may hold after one crash."""

    files: Mapping[str, bytes]
    digest: bytes  # tells it from a state with other files
    told: int  # from how many groups of his trial the caller had answers
    story: str

    def write(self, folder: Path) -> None:
        """Make these files in an empty folder."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def _digest(files: Mapping[str, bytes]) -> bytes:
    """Return what tells these files from others."""
    found = hashlib.blake2b(digest_size=16)
    for name, content in sorted(files.items()):
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.digest()


@define(eq=False)
class _File:
    """One file: what its sectors and its size have been since its last sync, oldest first."""

    sector: int
    sectors: dict[int, list[bytes]] = field(factory=dict[int, list[bytes]])
    sizes: list[int] = field(factory=lambda: [0])

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        for number in self.touched(offset, data):
            start = number * self.sector
            old = self._versions(number)[-1]
            first, last = max(offset, start), min(end, start + self.sector)
            self._put(number, old[: first - start] + data[first - offset : last - offset] + old[last - start :])
        self._resize(max(end, self.sizes[-1]))

    def touched(self, offset: int, data: bytes) -> range:
        return range(offset // self.sector, -(-(offset + len(data)) // self.sector))

    def truncate(self, size: int) -> None:
        for number in list(self.sectors):
            kept = max(0, size - number * self.sector)
            if kept < self.sector:
                self._put(number, self.sectors[number][-1][:kept] + bytes(self.sector - kept))
        self._resize(size)

    def sync(self) -> None:
        for versions in self.sectors.values():
            del versions[:-1]
        del self.sizes[:-1]

    def _versions(self, number: int) -> list[bytes]:
        return self.sectors.setdefault(number, [bytes(self.sector)])

    def _put(self, number: int, content: bytes) -> None:
        versions = self._versions(number)
        if versions[-1] != content:
            versions.append(content)

    def _resize(self, size: int) -> None:
        if self.sizes[-1] != size:
            self.sizes.append(size)


class _Medium:
    """A disk while its log is played: what is durable, and what is not yet."""

    def __init__(self, disk: RecordingDisk, *, sector: int) -> None:
        self._sector = sector
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}  # as synced
        self._changes: list[tuple[str, int | None]] = []  # of names, since the folder was synced
        for name, number in disk.numbers.items():
            self._names[name] = number
            self._file(number).write(0, disk.before[name])
            self._file(number).sync()

    def _file(self, number: int) -> _File:
        return self._files.setdefault(number, _File(self._sector))

    def play(self, op: Op) -> None:
        match op.kind:
            case "create":
                self._file(op.file)
                self._changes.append((op.name, op.file))
            case "delete":
                self._changes.append((op.name, None))
            case "write":
                self._file(op.file).write(op.offset, op.data)
            case "truncate":
                self._file(op.file).truncate(op.offset)
            case "sync":
                self._file(op.file).sync()
            case "folder":
                self._names = self._named([1] * len(self._changes))
                self._changes.clear()
            case _:
                pass

    def touched(self, op: Op) -> list[Place]:
        """Return the sectors under a write."""
        if op.kind != "write":
            return []
        return [(op.file, number) for number in self._file(op.file).touched(op.offset, op.data)]

    def choices(self) -> list[int]:
        """Return how many contents each thing may have that is not certain, always in the same order."""
        found: list[int] = []
        for file in self._files.values():
            found += [len(versions) for versions in file.sectors.values()]
            found.append(len(file.sizes))
        return [*(count for count in found if count > 1), *(2 for _ in self._changes)]

    def files(self, pick: Sequence[int], *, noise: Mapping[Place, bytes]) -> dict[str, bytes]:
        """Return the files of one pick, an index for each of the `choices`."""
        picks = iter(pick)
        contents = {number: self._content(number, picks, noise) for number in self._files}
        return {name: contents[number] for name, number in self._named(list(picks)).items()}

    def _content(self, number: int, picks: Iterator[int], noise: Mapping[Place, bytes]) -> bytes:
        file = self._files[number]
        found = {place: noise.get((number, place), _picked(held, picks)) for place, held in file.sectors.items()}
        size = _picked(file.sizes, picks)
        blank = bytes(self._sector)
        return b"".join(found.get(place, blank) for place in range(-(-size // self._sector)))[:size]

    def _named(self, pick: Sequence[int]) -> dict[str, int]:
        names = dict(self._names)
        for (name, number), happened in zip(self._changes, pick, strict=True):
            if happened and number is None:
                names.pop(name, None)
            elif happened and number is not None:
                names[name] = number
        return names


def _picked(versions: Sequence[T], picks: Iterator[int]) -> T:
    return versions[next(picks)] if len(versions) > 1 else versions[0]


class CrashStates:
    """The states after each entry of a disk's log, each content once; iterate once.

    `sector` is what the disk writes at once, 512 or 4096 bytes; `states_max` how many states are drawn at one point;
    `has_noise` whether a sector under a write may hold noise; `end` how many entries of the log count.

    When the iteration is over, `points` says how many crashes there were, `whole` at how many of them every state was
    made, `possible` how many states all of them allow, `tried` how many were made, and `distinct` how many came out,
    by files and acknowledgements.
    """

    def __init__(
        self,
        disk: RecordingDisk,
        *,
        sector: int = SECTOR,
        states_max: int = STATES_MAX,
        has_noise: bool = True,
        seed: int = 0,
        end: int | None = None,
    ) -> None:
        self.points = self.whole = self.possible = self.tried = self.distinct = 0
        self._disk, self._sector, self._most = disk, sector, states_max
        self._log = disk.log[:end]
        self._has_noise = has_noise
        self._random = random.Random(seed)
        self._known: set[tuple[bytes, int]] = set()

    def __iter__(self) -> Generator[CrashState]:
        """Yield the states in the order of their crashes."""
        medium, told, log = _Medium(self._disk, sector=self._sector), 0, self._log
        for number, op in enumerate(log, start=1):
            medium.play(op)
            told = op.told if op.kind == "told" else told
            self.points += 1
            story = f"power lost after call {number} of {len(log)}, the {op}"
            yield from self._at(medium, medium.touched(op), told=told, story=story)

    def at_end(self) -> Iterator[CrashState]:
        """Yield the states of a crash after the last entry alone; the first one is what a kill leaves behind."""
        medium, told = _Medium(self._disk, sector=self._sector), 0
        for op in self._log:
            medium.play(op)
            told = op.told if op.kind == "told" else told
        counts, story = medium.choices(), f"after {len(self._log)} calls"
        newest = [count - 1 for count in counts]
        yield from self._new(medium.files(newest, noise={}), told, f"killed {story}")
        yield from self._at(medium, [], told=told, story=f"power lost {story}")

    def _at(self, medium: _Medium, touched: list[Place], *, told: int, story: str) -> Iterator[CrashState]:
        """Yield what may be found after a crash at one point."""
        counts = medium.choices()
        every = math.prod(counts)
        self.possible += every
        self.whole += every <= self._most
        for pick in _picks(counts, self._most, self._random):
            yield from self._new(medium.files(pick, noise={}), told, f"{story}; {_told(pick, counts)}")
        if touched and self._has_noise:
            noise = {place: self._random.randbytes(self._sector) for place in touched}
            for pick in ([count - 1 for count in counts], [0] * len(counts)):
                how = f"{_told(pick, counts)}, and noise under the write"
                yield from self._new(medium.files(pick, noise=noise), told, f"{story}; {how}")

    def _new(self, files: dict[str, bytes], told: int, story: str) -> Iterator[CrashState]:
        self.tried += 1
        key = _digest(files), told
        if key not in self._known:
            self._known.add(key)
            self.distinct += 1
            yield CrashState(files, *key, story=f"{story} (sectors of {self._sector})")


def _picks(counts: Sequence[int], most: int, draw: random.Random) -> Iterator[Sequence[int]]:
    """Yield picks: all of them where they are few, else the extremes and as many drawn ones."""
    if math.prod(counts) <= most:
        yield from product(*(range(count) for count in counts))
        return
    new, old = [count - 1 for count in counts], [0] * len(counts)
    yield new
    yield old
    places = draw.sample(range(len(counts)), min(len(counts), most // 4))
    for place in places:
        yield [*new[:place], 0, *new[place + 1 :]]
        yield [*old[:place], counts[place] - 1, *old[place + 1 :]]
    for _ in range(most - 2 - 2 * len(places)):
        yield [draw.randrange(count) for count in counts]


def _told(pick: Sequence[int], counts: Sequence[int]) -> str:
    """Return a pick in words."""
    if not counts:
        return "nothing was uncertain"
    new = sum(chosen == count - 1 for chosen, count in zip(pick, counts, strict=True))
    return f"of {len(counts)} uncertain sectors, sizes and names {new} are as written last"
