"""A transition costs one sync of the log, an answer that writes nothing none, and a store that cheats is caught."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest

from examples.order import SCHEMA, Cancel, Order, OrderData, Submit
from persistence import Capabilities, Reader, SQLiteStore, Store, StoreFacts, Transaction
from recovery.drills.disks.counting import CountingDisk
from statemachine import Engine, Instance, Refused

SENDS = 100  # too few for the log to be folded back
MANY_SENDS = 1_000  # with several checkpoints among them
SYNCS_PER_SEND_MAX = 1.01  # all calls counted: those of the log, of the file, of the anchor and of the folder

ONE_SYNC = Counter(wal=1)
NO_SYNC = Counter[str]()
Send = Callable[[], object]


@pytest.fixture
def disk() -> Iterator[CountingDisk]:
    with CountingDisk() as disk:
        yield disk


def opened(folder: Path, disk: CountingDisk, *, level: str | None = None) -> SQLiteStore:
    return SQLiteStore(folder / "shop.db", vfs=disk.name, schema=SCHEMA, level=level)


def stocked(folder: Path, disk: CountingDisk, count: int, *, level: str | None = None) -> SQLiteStore:
    """Return a store that holds orders in their cart and was opened anew: its log is empty."""
    with Engine(opened(folder, disk, level=level), Order) as engine:
        for number in range(count + 1):
            engine.start(Order, id=f"o-{number}")
    return opened(folder, disk)


def orders(engine: Engine) -> list[Instance[Order, OrderData]]:
    """Return its orders but one, which is sent to, so that nothing is written for the first time afterwards."""
    started = engine.list(Order)
    submit(started.pop())()
    return started


def submit(order: Instance[Order, OrderData]) -> Send:
    """The send of an order's first event, under the order's own key."""
    return lambda: order.send(Submit("lamp", 5), key=f"{order.id}-submit")


def refused(order: Instance[Order, OrderData]) -> Send:
    """A send that its order refuses."""

    def send() -> None:
        with pytest.raises(Refused):
            order.send(Cancel())

    return send


def check_syncs(disk: CountingDisk, sends: Sequence[Send], *, each: Counter[str] = ONE_SYNC) -> None:
    """Send one after another; every one has caused exactly these syncs by the time it returns."""
    for send in sends:
        disk.reset()
        send()
        assert disk.syncs == each


class Deferring:
    """A planted fault: a store that answers before it commits. All its transactions are one, committed at its close."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stack = ExitStack()
        self.inner: Transaction | None = None

    @property
    def capabilities(self) -> Capabilities:
        return self.store.capabilities

    @property
    def facts(self) -> StoreFacts:
        return self.store.facts

    @contextmanager
    def transaction(self) -> Generator[Transaction]:
        if self.inner is None:
            self.inner = self.stack.enter_context(self.store.transaction())
        yield cast("Transaction", Deferred(self.inner))

    @contextmanager
    def reader(self) -> Generator[Reader]:
        with self.store.reader() as reader:
            yield reader

    def settle(self) -> None:
        self.store.settle()

    def close(self) -> None:
        if self.inner is not None:
            self.inner.commit()
            self.stack.close()
        self.store.close()


class Deferred:
    """A transaction whose commit is put off."""

    def __init__(self, inner: Transaction) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def commit(self) -> None:
        """Claim that everything is durable."""


def test_each_of_a_hundred_sends_syncs_the_log_once_and_nothing_else(tmp_path: Path, disk: CountingDisk) -> None:
    with Engine(stocked(tmp_path, disk, SENDS), Order) as engine:
        check_syncs(disk, [submit(order) for order in orders(engine)])
        assert disk.writes["db"] == 0


def test_syncs_per_transition_stay_near_one_with_checkpoints(tmp_path: Path, disk: CountingDisk) -> None:
    with Engine(stocked(tmp_path, disk, MANY_SENDS), Order) as engine:
        started = orders(engine)
        disk.reset()
        for order in started:
            order.send(Submit("lamp", 5), key=f"{order.id}-submit")
        found = disk.syncs.total() / MANY_SENDS
        assert disk.syncs["db"] > 0, "no checkpoint happened: the measurement says nothing"
    print(f"{found:.3f} syncs per transition: {dict(disk.syncs)}")
    assert found <= SYNCS_PER_SEND_MAX


def test_replayed_key_syncs_nothing(tmp_path: Path, disk: CountingDisk) -> None:
    with Engine(stocked(tmp_path, disk, 5), Order) as engine:
        sends = [submit(order) for order in orders(engine)]
        check_syncs(disk, sends)
        check_syncs(disk, sends, each=NO_SYNC)


def test_refusal_syncs_nothing(tmp_path: Path, disk: CountingDisk) -> None:
    with Engine(stocked(tmp_path, disk, 5), Order) as engine:
        started = orders(engine)
        check_syncs(disk, [submit(order) for order in started])

        check_syncs(disk, [refused(order) for order in started], each=NO_SYNC)


def test_reading_syncs_and_writes_nothing(tmp_path: Path, disk: CountingDisk) -> None:
    with Engine(stocked(tmp_path, disk, 1), Order) as engine:
        order = orders(engine)[0]
        check_syncs(disk, [order.history, lambda: order.state, lambda: engine.list(Order)], each=NO_SYNC)
        assert disk.writes == NO_SYNC


def test_level_normal_syncs_nothing_between_checkpoints(tmp_path: Path, disk: CountingDisk) -> None:
    """Also where it is not asked for: the level is the file's."""
    with Engine(stocked(tmp_path, disk, SENDS, level="normal"), Order) as engine:
        check_syncs(disk, [submit(order) for order in orders(engine)], each=NO_SYNC)


def test_check_catches_a_connection_that_does_not_sync(tmp_path: Path, disk: CountingDisk) -> None:
    store = stocked(tmp_path, disk, SENDS)
    with Engine(store, Order) as engine:
        started = orders(engine)
        store._writer.pragma("synchronous", "OFF")
        with pytest.raises(AssertionError):
            check_syncs(disk, [submit(order) for order in started])


def test_check_catches_a_store_that_answers_before_it_commits(tmp_path: Path, disk: CountingDisk) -> None:
    with Engine(cast("Store", Deferring(stocked(tmp_path, disk, SENDS))), Order) as engine:
        started = orders(engine)
        with pytest.raises(AssertionError):
            check_syncs(disk, [submit(order) for order in started])


def test_disk_tells_files_apart_and_counts_for_itself_alone(tmp_path: Path, disk: CountingDisk) -> None:
    """Also two disks at once, and a disk over a disk."""
    with CountingDisk(base=disk.name) as upper:
        opened(tmp_path, upper).close()
        assert upper.syncs == disk.syncs
        assert upper.writes == disk.writes
        assert upper.syncs["wal"] > 0
        assert upper.syncs["db"] > 0
        assert set(upper.syncs) <= {"db", "wal", "journal", "other"}
        upper.reset()
        assert upper.syncs == NO_SYNC
        assert disk.syncs != NO_SYNC
