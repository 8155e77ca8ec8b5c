"""What every store must do, written as tests that run on any of them.

Subclass `StoreContract` under a name that begins with `Test`, say how a new, empty store is opened, and let pytest (or
anything that calls the methods named `test_…`) run it:

    class TestMyStore(StoreContract):
        def open_store(self) -> Store:
            return MyStore(a_fresh_place())

It imports no test tool and compares with plain asserts. What a store may do differently is asked of it: whether there
can be a second connection (`open_again`), whether a commit can be made to fail (`fail_commit`).
`persistence.conformance.comparing` draws what happens and compares with `MemoryStore`.
"""

import threading
from contextlib import closing

from persistence.conformance.folding import FoldingContract
from persistence.conformance.kit import (
    THREADS,
    TURNS,
    Chain,
    aside,
    assert_lane,
    assert_seen,
    assert_seen_in,
    generation_of,
    raised,
    write,
)
from persistence.errors import Closed, Conflict, NoSql, StoreError
from persistence.records import Quarantine

__all__ = ["StoreContract"]


class StoreContract(FoldingContract):
    """The port's promises, one test each. Subclass it and give it `open_store`."""

    # -- generation ----------------------------------------------------------------------------------------------------

    def test_generation_changes_after_a_write_that_was_undone(self) -> None:
        """Whoever cached what the undone block wrote drops it."""
        chain = Chain("i-1")
        first, lost = chain.next(), chain.next()
        with closing(self.open_store()) as store:
            write(store, first)
            seen = generation_of(store)
            with store.transaction() as transaction:
                transaction.append([lost])
            assert generation_of(store) != seen

    def test_generation_changes_after_an_exception_in_a_write(self) -> None:
        """What was read around a write that an exception undid is not to be trusted."""
        with closing(self.open_store()) as store:
            write(store, Chain("i-1").next())
            seen = generation_of(store)

            def fail() -> None:
                with store.transaction() as transaction:
                    transaction.append([Chain("i-2").next()])
                    raise KeyError("the caller's own")

            raised(KeyError, fail)
            assert generation_of(store) != seen

    def test_generation_changes_when_an_instance_is_set_aside(self) -> None:
        """A head that was cached before does not carry the mark."""
        with closing(self.open_store()) as store:
            write(store, Chain("i-1").next())
            seen = generation_of(store)
            with store.transaction() as transaction:
                transaction.quarantine(Quarantine("i-1", "damaged", 1, 5))
                transaction.commit()
            assert generation_of(store) != seen

    def test_generation_changes_after_a_conflict(self) -> None:
        """What the loser of a race had cached is out of date."""
        with closing(self.open_store()) as store:
            write(store, Chain("i-1").next())
            seen = generation_of(store)
            raised(Conflict, lambda: write(store, Chain("i-1").next(after="elsewhere")))
            assert generation_of(store) != seen

    def test_generation_changes_after_a_failed_commit(self) -> None:
        """And nothing of the failed transaction exists."""
        chain = Chain("i-1")
        first, lost = chain.next(), chain.next()
        with closing(self.open_store()) as store:
            write(store, first)
            seen = generation_of(store)
            with store.transaction() as transaction:
                transaction.append([lost])
                if not self.fail_commit(transaction):
                    return
                raised(StoreError, transaction.commit)
            assert generation_of(store) != seen
            assert_seen_in(store, [first])

    def test_generation_changes_after_another_connections_write(self) -> None:
        """Both connections see what the other one wrote, and can go on from it."""
        chain = Chain("i-1")
        drafts = [chain.next(), chain.next(), chain.next()]
        with closing(self.open_store()) as store:
            other = self.open_again(store)
            if other is None:
                return
            with closing(other):
                write(store, drafts[0])
                seen, theirs = generation_of(store), generation_of(other)
                write(other, drafts[1])
                assert generation_of(store) != seen
                write(store, drafts[2])
                assert generation_of(other) != theirs
            assert_lane(store, [[draft] for draft in drafts])

    # -- interrupts ----------------------------------------------------------------------------------------------------

    def test_what_an_interrupt_left_open_is_abandoned(self) -> None:
        """A block that never ends holds up nobody, keeps nothing, and can be ended late without harm."""
        chain = Chain("i-1")
        first, lost, beside = chain.next(), chain.next(), Chain("i-2").next()
        with closing(self.open_store()) as store:
            write(store, first)
            seen, writing, reading = generation_of(store), store.transaction(), store.reader()
            left, _ = writing.__enter__(), reading.__enter__()
            left.append([lost])
            store.abandon()
            store.abandon()
            raised(StoreError, left.commit)
            aside(lambda: write(store, beside))
            assert generation_of(store) != seen
            aside(lambda: assert_lane(store, [[first], [beside]]))
            write(store, lost)
            assert_lane(store, [[first], [beside], [lost]])

    def test_ending_what_was_abandoned_ends_nothing_else(self) -> None:
        """Neither where nobody has begun anything since, nor what another thread has begun."""
        first, second = Chain("i-1").next(), Chain("i-2").next()
        with closing(self.open_store()) as store:
            with store.reader(), store.transaction(), store.reader():
                store.abandon()
            left = [store.transaction(), store.reader()]
            for one in left:
                one.__enter__()
            store.abandon()
            with store.transaction() as transaction, store.reader() as reader:
                assert list(reader.instances()) == []
                transaction.append([first])
                aside(lambda: [one.__exit__(None, None, None) for one in left])
                transaction.commit()
                assert list(reader.instances()) == []
            with store.reader() as reader:
                assert_seen(reader, [first])
                aside(lambda: write(store, second))
                assert_seen(reader, [first])
            assert_lane(store, [[first], [second]])

    def test_abandoning_ends_nothing_of_another_thread(self) -> None:
        """And nothing that is durable."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next()
        with closing(self.open_store()) as store:
            with store.transaction() as transaction:
                transaction.append([first])
                aside(store.abandon)
                transaction.commit()
            store.abandon()
            with store.reader() as reader:
                assert_seen(reader, [first])
                aside(store.abandon)
                write(store, second)
                assert_seen(reader, [first])
            assert_seen_in(store, [first, second])

    def test_transaction_inside_a_transaction_is_refused(self) -> None:
        """It would wait for its own thread; the outer one goes on."""
        first = Chain("i-1").next()
        with closing(self.open_store()) as store:
            with store.transaction() as transaction:
                raised(StoreError, lambda: write(store, Chain("i-2").next()))
                transaction.append([first])
                transaction.commit()
            assert_seen_in(store, [first])

    def test_snapshot_may_be_ended_twice(self) -> None:
        """And where an interrupt came before it had begun."""
        with closing(self.open_store()) as store:
            snapshot = store.snapshot()
            snapshot.__exit__(None, None, None)
            with store.snapshot() as reader:
                assert list(reader.instances()) == []
            snapshot = store.snapshot()
            snapshot.__enter__()
            snapshot.__exit__(None, None, None)
            snapshot.__exit__(None, None, None)

    # -- taking turns, and the end -------------------------------------------------------------------------------------

    def test_threads_wait_for_each_other(self) -> None:
        """Transactions of several threads come one after another: each builds on the head that it read."""
        chain = Chain("i-1")
        with closing(self.open_store()) as store:
            write(store, chain.next())
            failed: list[BaseException] = []

            def work() -> None:
                try:
                    for _ in range(TURNS):
                        with store.transaction() as transaction:
                            assert transaction.heads(["i-1"])["i-1"].version == chain.version
                            transaction.append([chain.next()])
                            transaction.commit()
                except BaseException as error:  # noqa: BLE001  # looked at below, in the test's own thread
                    failed.append(error)

            threads = [threading.Thread(target=work) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert failed == []
            with store.reader() as reader:
                versions = [row.record.version for row in reader.journal("i-1")]
            assert versions == list(range(1, THREADS * TURNS + 2))

    def test_store_without_sql_says_so(self) -> None:
        """`execute` raises NoSql, in a transaction and in a reader."""
        with closing(self.open_store()) as store:
            if store.capabilities.sql:
                return
            with store.transaction() as transaction, transaction.member():
                raised(NoSql, lambda: transaction.execute("SELECT 1", (), writable=True))
            with store.reader() as reader:
                raised(NoSql, lambda: reader.execute("SELECT 1", (), writable=False))

    def test_exception_in_a_member_leaves_the_transaction_usable(self) -> None:
        """A member that fails takes nothing with it."""
        first = Chain("i-1").next()
        with closing(self.open_store()) as store:
            with store.transaction() as transaction:

                def fail() -> None:
                    with transaction.member():
                        raise KeyError("the member's own")

                raised(KeyError, fail)
                with transaction.member():
                    assert transaction.heads(["i-1"]) == {}
                transaction.append([first])
                transaction.commit()
            assert_seen_in(store, [first])

    def test_two_stores_have_two_ids(self) -> None:
        """A store's id is its own."""
        with closing(self.open_store()) as one, closing(self.open_store()) as two:
            assert one.facts.store_id != two.facts.store_id
            assert one.facts.unclean == two.facts.unclean == ()
            one.settle()

    def test_closed_store_says_so(self) -> None:
        """Every use raises Closed; closing twice is allowed."""
        store = self.open_store()
        store.close()
        store.close()

        def write_late() -> None:
            with store.transaction():
                raise AssertionError("a closed store began a transaction")

        def read_late() -> None:
            with store.reader():
                raise AssertionError("a closed store began a reader")

        raised(Closed, write_late)
        raised(Closed, read_late)
