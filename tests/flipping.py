"""A file that holds everything a store can hold, damaged at random, and what each door then says of it."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

import recovery
from persistence import StoreError
from statemachine import Engine, Final, Instance, Refused, State, Workflow, invariant, on
from tests.damage import change

SCHEMA = "create table if not exists note (instance text, line text)"
FILE, PAGE = "book.db", 4096
COUNT, ROUNDS = 6, 5
CODED = (StoreError, Refused)


@frozen
class Write:
    line: str


@frozen
class Close: ...


@define
class Pages:
    title: str = ""
    lines: list[str] = field(factory=list[str])


class Book(Workflow[Pages], revision=1):
    """Grows by a line: beyond 2 KiB its image stands in the journal, whole or as patches, compressed or not."""

    open_ = State(initial=True)
    closed = Final()

    @on(Write, open_, to=None)
    def write(self, event: Write) -> None:
        self.data.lines.append(event.line)
        self.sql.execute("insert into note values (?, ?)", (self.id, event.line))

    @on(Close, open_, to=closed)
    def close(self, event: Close) -> None: ...

    @invariant
    def has_lines(self) -> bool:
        return len(self.data.lines) < 1000


@frozen
class Told:
    """What an instance was, as its caller was told."""

    version: int
    state: str
    data: Pages
    hashes: tuple[str, ...]
    keys: dict[str, int]
    named: tuple[int, ...]  # versions: a label is its author's word, which nothing proves


def told(book: Instance[Book, Pages], keys: dict[str, int]) -> Told:
    state, hashes = book.state, tuple(one.hash for one in book.history())
    assert isinstance(state, str)
    return Told(book.version, state, book.data, hashes, keys, tuple(sorted(one.version for one in book.checkpoints())))


def library(folder: Path, level: str) -> tuple[Path, dict[str, Told], dict[str, bytes]]:
    """Return a closed file, what its callers were told, and the same files as a process that was killed left them."""
    path, known, keys = folder / FILE, dict[str, Told](), dict[str, dict[str, int]]()
    with Engine(path, Book, schema=SCHEMA, durability=level) as engine:
        books = [
            engine.start(Book, Pages(f"book {number}", ["words " * 100 * number]), id=f"b-{number}")
            for number in range(COUNT)
        ]
        for turn in range(ROUNDS):
            with engine.store.transaction():
                futures = [one.submit(Write(f"line {turn} {'x' * 700 * (turn % 3)}"), key=f"k-{turn}") for one in books]
            for one, future in zip(books, futures, strict=True):
                keys.setdefault(one.id, {})[f"k-{turn}"] = future.result().version
            if turn in {1, 3}:
                books[turn].checkpoint(f"turn {turn}", tags=("a",), note="n")
                books[-1].checkpoint(f"turn {turn}")
        books[2].checkpoint("last")  # beside it the newest row can be spared
        books[0].send(Close())
        known = {one.id: told(one, keys[one.id]) for one in books}
        killed = {name: folder.joinpath(name).read_bytes() for name in (FILE, f"{FILE}-wal", f"{FILE}-anchor")}
    return path, known, killed


def repaired(path: Path, known: dict[str, Told]) -> dict[str, Told]:
    """Let recovery rebuild one instance and set a row of another one aside; return what callers are told since."""
    owner = "instance = (select id from perdure_instance where name = 'b-2')"
    change(path, f"update perdure_journal set note = 'x' where {owner} and version = 6")
    change(path, "update perdure_instance set time = 0 where name = 'b-3'")
    report = recovery.recover(path, Book, level="full")
    assert [one.verdict for one in report.instances if one.repair] == ["KEPT AT HEAD", "REBUILT"]
    with Engine(path, Book) as engine:
        return {name: told(engine.get(Book, name), was.keys) for name, was in known.items()}


# -- damage ------------------------------------------------------------------------------------------------------------


def flip(raw: bytearray, rng: random.Random) -> str:
    """Turn one bit, half of the time near the beginning of a page, where its structure is told."""
    at = rng.randrange(len(raw))
    if rng.random() < 0.5:
        at = min(at - at % PAGE + rng.randrange(64), len(raw) - 1)
    raw[at] ^= 1 << rng.randrange(8)
    return f"bit of byte {at}"


def blank(raw: bytearray, rng: random.Random) -> str:
    """Lose a sector, or what stands there."""
    at, value = rng.randrange(len(raw)) // 512 * 512, rng.choice((0, 255))
    raw[at : at + 512] = bytes([value]) * len(raw[at : at + 512])
    return f"512 times {value} at {at}"


def cut(raw: bytearray, rng: random.Random) -> str:
    """Cut the end off, at a page or within one."""
    at = rng.randrange(1, max(2, len(raw) // PAGE)) * PAGE - rng.choice((0, 0, 1000))
    del raw[at:]
    return f"cut at {at}"


def misplace(raw: bytearray, rng: random.Random) -> str:
    """Write one page over another."""
    here, there = (rng.randrange(max(1, len(raw) // PAGE)) * PAGE for _ in range(2))
    raw[here : here + PAGE] = raw[there : there + PAGE]
    return f"the page at {there} also at {here}"


DAMAGE: tuple[Callable[[bytearray, random.Random], str], ...] = (*[flip] * 17, blank, cut, misplace)


def damages(files: dict[str, bytes], *, seed: int, count: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield what was done, and the files with that damage in one of them; the larger a file, the likelier it is hit."""
    rng = random.Random(seed)
    names = [name for name, raw in files.items() if raw]
    for number in range(count):
        (name,) = rng.choices(names, [len(files[name]) for name in names])
        raw = bytearray(files[name])
        what = rng.choice(DAMAGE)(raw, rng)
        yield f"seed {seed}, number {number}: {name}, {what}", {**files, name: bytes(raw)}


# -- what is said of it ------------------------------------------------------------------------------------------------


def judge(folder: Path, files: dict[str, bytes], known: dict[str, Told]) -> Iterator[str]:
    """Ask every door, each on files of its own, and yield what is wrong with an answer."""
    is_clean = False
    path = laid(folder / "verify", files)
    with suppress(*CODED):
        is_clean = recovery.verify(path, Book).is_clean
    yield from reading(path, known, is_told=not is_clean)
    yield from recovering(laid(folder / "recover", files), known, is_clean=is_clean)
    yield from opening(laid(folder / "open", files), known)


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    """Write the files into a folder of their own."""
    folder.mkdir(parents=True)
    for name, raw in files.items():
        folder.joinpath(name).write_bytes(raw)
    return folder / FILE


def reading(path: Path, known: dict[str, Told], *, is_told: bool) -> Iterator[str]:
    """Read everything through an engine that writes nothing; a verification found damage before, or did not."""
    try:
        with Engine(path, Book, read_only=True) as engine:
            yield from compared(engine, known, is_told=is_told)
            yield from copying(engine, path.with_name("copy"))
    except CODED as error:
        if not is_told:
            yield f"verified as clean, and the engine says {error}"


def says_lost(*told: str | None) -> bool:
    """Say whether a tail is told to be lost; a file without its anchor cannot tell."""
    return any("TAIL LOST" in (one or "") or "no anchor" in (one or "") for one in told)


def compared(engine: Engine, known: dict[str, Told], *, is_told: bool, is_lost: bool = False) -> Iterator[str]:
    """Compare what an engine tells with what callers were told; where a tail is told to be lost, with a part of it."""
    facts = engine.store.facts
    is_lost = is_lost or says_lost(facts.barred, *facts.notes)
    for name, was in known.items():
        try:
            found = told(engine.get(Book, name), was.keys)
        except CODED as error:
            if not is_told and not is_lost:
                yield f"verified as clean, and of {name} the engine says {error}"
            continue
        is_part = is_lost and found.hashes == was.hashes[: len(found.hashes)]
        is_repaired = len(found.hashes) >= len(was.hashes) - 1 and (found.state, found.data) == (was.state, was.data)
        if not is_part and not is_repaired:
            yield f"{name}: told {was.version} {was.state} {len(str(was.data))}, found {found.version} {found.state}"
        if not is_told and not is_lost and found != was:
            yield f"{name} is not as it was, and was verified as clean"
    for label in ("turn 1", "turn 3", "no such"):
        try:
            moment = engine.get(Book, f"b-{COUNT - 1}").at(label)
        except CODED:
            continue
        if len(moment.data.lines) not in {3, 5}:
            yield f"{label!r} has {len(moment.data.lines)} lines"
    with suppress(*CODED):
        list(engine.list(Book))


def copying(engine: Engine, target: Path) -> Iterator[str]:
    """Make a backup: what is called sound must be so, whatever it was made of."""
    with suppress(*CODED):
        engine.backup(target)
        report = recovery.verify(target, Book)
        if not report.is_clean:
            yield f"a backup was made of what is damaged: {report}"


def recovering(path: Path, known: dict[str, Told], *, is_clean: bool) -> Iterator[str]:
    """Recover at the full level; what is usable then must be as it was, answer its keys, and go on."""
    try:
        report = recovery.recover(path, Book, level="full")
        again = recovery.recover(path, Book, level="full")
    except CODED:
        return
    if is_clean and not report.is_clean:
        yield f"verified as clean, and recovery says {report}"
    if [one.repair for one in again.instances if one.repair] != []:
        yield f"recovery again repairs again: {again}"
    try:
        with Engine(path, Book) as engine:
            is_lost = says_lost(*report.store, *report.notes)
            yield from compared(engine, known, is_told=True, is_lost=is_lost)
            if not report.malformed and not is_lost:
                yield from sending(engine, known)
    except CODED:
        return


def sending(engine: Engine, known: dict[str, Told]) -> Iterator[str]:
    """Send again what was sent with a key, and something else."""
    for name, was in known.items():
        for turn, (key, version) in enumerate(was.keys.items()):
            try:
                answer = engine.get(Book, name).send(Write(f"line {turn} {'x' * 700 * (turn % 3)}"), key=key)
            except CODED:
                continue
            if (answer.version, answer.replayed) != (version, True):
                yield f"{name}: {key} was version {version}, and answers {answer.version}, {answer.replayed}"
        try:
            engine.get(Book, name).send(Write("more"))
        except CODED:
            continue
        if engine.get(Book, name).data.lines[-1] != "more":
            yield f"{name}: what was sent is not there"


def opening(path: Path, known: dict[str, Told]) -> Iterator[str]:
    """Open it as a program does after a crash."""
    try:
        with recovery.open(path, Book) as engine:
            yield from compared(engine, known, is_told=True)
    except CODED:
        return
