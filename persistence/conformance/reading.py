"""What was committed reads back as it was, in its order, by everybody."""

from abc import ABC, abstractmethod
from contextlib import closing

from persistence.conformance.kit import (
    INTEGER_MAX,
    ODD_TEXTS,
    TURNS,
    Chain,
    aside,
    assert_lane,
    assert_outcome,
    assert_seen,
    assert_seen_in,
    for_absent,
    rows_of,
    write,
)
from persistence.records import Draft, Row, Standing
from persistence.store import Store, Transaction

__all__ = ["ReadingContract"]


class ReadingContract(ABC):
    """The first third of `StoreContract`: what it asks of a store's author, and reading."""

    @abstractmethod
    def open_store(self) -> Store:
        """Return a new, empty store. The test closes it."""

    def open_again(self, store: Store) -> Store | None:
        """Return a second connection to what `store` holds, or None where there can be none (the default)."""
        del store
        return None

    def damage_head(self, store: Store, instance: str) -> bool:
        """Spoil the head of an instance, and whatever leads from it to its rows; return False if there is no way to."""
        del store, instance
        return False

    def fail_commit(self, transaction: Transaction) -> bool:
        """Make the commit of this open transaction fail, and return True; False where that cannot be arranged."""
        del transaction
        return False

    # -- what was committed reads back ---------------------------------------------------------------------------------

    def test_committed_draft_reads_back_whole(self) -> None:
        """Every field of head, row, key and definition comes back as it was given, to transactions and readers."""
        done = Chain("i-1").next(key="", told=("ann", "why not"), outcome="done")
        name = ("i-1", "start", "")
        with closing(self.open_store()) as store:
            write(store, done)
            with store.transaction() as transaction:
                assert transaction.heads(["i-1", "absent"]) == {"i-1": done.head}
                assert transaction.row("i-1", 1) == Row(done.record, done.head.hash)
                assert transaction.keys([name, ("i-1", "send", "")]) == {name: done.keys[0]}
                assert transaction.definition(done.record.fingerprint) == "chart one"
            with store.reader() as reader:
                assert reader.head("i-1") == done.head
                assert reader.row("i-1", 1) == Row(done.record, done.head.hash)
                assert reader.journal("i-1") == rows_of(done)
                assert reader.keys("i-1") == list(done.keys)
                assert reader.definition(done.record.fingerprint) == "chart one"

    def test_head_moves_and_nothing_of_the_earlier_one_stays(self) -> None:
        """Each version replaces every field of the head; the journal keeps both rows."""
        chain = Chain("i-1")
        first = chain.next(key="a", told=("ann", "one"), image=b'{"total":1}')
        chain.definition = "chart two"
        second = chain.next(after="shipped", image=b"", outcome="sold", number=100)
        with closing(self.open_store()) as store:
            write(store, first)
            write(store, second)
            with store.reader() as reader:
                assert reader.head("i-1") == second.head
                assert reader.journal("i-1") == rows_of(first, second)

    def test_none_is_not_empty(self) -> None:
        """A key, actor, note, error or outcome that is None stays None, and an empty one stays empty."""
        chain = Chain("i-1")
        first, second = chain.next(told=("", ""), outcome=""), chain.next(key="k")
        second.keys[0].error = None
        with closing(self.open_store()) as store:
            write(store, first, second)
            with store.reader() as reader:
                assert [row.record for row in reader.journal("i-1")] == [first.record, second.record]
                assert [key.error for key in reader.keys("i-1")] == [None]
            assert_outcome(store, "i-1", None)
            write(store, Chain("i-2").next(outcome=""))
            assert_outcome(store, "i-2", "")

    def test_odd_texts_come_back_as_they_were(self) -> None:
        """Ids, keys, actors, notes, states and definitions are any text that UTF-8 can write."""
        drafts: list[Draft] = []
        for text in ODD_TEXTS:
            chain = Chain(text, workflow=text, definition=text)
            drafts += [chain.next(after=text), chain.next(key=text, told=(text, text), after=text, outcome=text)]
        with closing(self.open_store()) as store:
            write(store, *drafts)
            with store.reader() as reader:
                assert list(reader.instances()) == list(ODD_TEXTS)
                for place, text in enumerate(ODD_TEXTS):
                    first, second = drafts[2 * place], drafts[2 * place + 1]
                    assert list(reader.instances(workflow=text)) == [text]
                    assert reader.journal(text) == rows_of(first, second)
                    assert reader.head(text) == second.head
                    assert reader.keys(text) == list(second.keys)
                    assert reader.definition(first.record.fingerprint) == text

    def test_large_numbers_and_bytes_come_back_as_they_were(self) -> None:
        """Integers have 64 bits; images and bodies are any bytes."""
        chain = Chain("i-1")
        first = chain.next(number=INTEGER_MAX - 5, image=bytes(range(256)) * 1_000)
        second = chain.next(number=-INTEGER_MAX)
        with closing(self.open_store()) as store:
            write(store, first)
            with store.reader() as reader:
                assert reader.head("i-1") == first.head
            write(store, second)
            with store.reader() as reader:
                assert reader.head("i-1") == second.head
                assert reader.journal("i-1") == rows_of(first, second)

    def test_what_is_absent_is_none_or_left_out(self) -> None:
        """Reading what does not exist raises nothing."""
        with closing(self.open_store()) as store:
            write(store, Chain("i-1").next())
            with store.transaction() as transaction:
                assert transaction.heads(["absent"]) == {}
                assert transaction.heads([]) == {}
                assert transaction.keys([("absent", "send", "k"), ("i-1", "send", "k")]) == {}
                for_absent(transaction)
            with store.reader() as reader:
                assert reader.head("absent") is None
                assert reader.journal("absent") == []
                assert reader.keys("absent") == []
                assert list(reader.instances(workflow="Absent")) == []
                for_absent(reader)

    def test_commit_survives_a_second_connection(self) -> None:
        """What one connection committed, another one reads."""
        chain = Chain("i-1")
        drafts = [chain.next(key="s"), chain.next(key="k", told=("ann", "why"))]
        with closing(self.open_store()) as store:
            write(store, *drafts)
            other = self.open_again(store)
            if other is None:
                return
            with closing(other), other.reader() as reader:
                assert reader.head("i-1") == drafts[-1].head
                assert reader.journal("i-1") == rows_of(*drafts)
                assert other.facts.store_id == store.facts.store_id

    # -- order ---------------------------------------------------------------------------------------------------------

    def test_instances_come_in_the_order_of_their_start(self) -> None:
        """Moving on does not change an instance's place; a workflow's name selects."""
        chains = [Chain("z"), Chain("a", workflow="Other"), Chain("m")]
        with closing(self.open_store()) as store:
            for chain in chains:
                write(store, chain.next())
            write(store, chains[0].next())
            with store.reader() as reader:
                assert list(reader.instances()) == ["z", "a", "m"]
                assert list(reader.instances(workflow="Order")) == ["z", "m"]
                assert list(reader.instances(workflow="Other")) == ["a"]

    def test_newest_rows_name_their_instances(self) -> None:
        """Each once, in the order of their start, however many rows are asked for."""
        chains = [Chain(name) for name in ("i-1", "i-2", "i-3")]
        with closing(self.open_store()) as store:
            for chain in (*chains, chains[2], chains[0], chains[0]):
                write(store, chain.next())
            with store.reader() as reader:
                found = [reader.newest(rows) for rows in (1, 2, 3, 4, 5, 9)]
        assert found[:3] == [["i-1"], ["i-1"], ["i-1", "i-3"]]
        assert found[3:] == [["i-1", "i-3"], ["i-1", "i-2", "i-3"], ["i-1", "i-2", "i-3"]]

    def test_standings_come_in_the_order_of_their_start_behind_one_of_them(self) -> None:
        """They are those of one workflow, as their heads say; moving on does not change a place."""
        one, other, two, three = Chain("z"), Chain("a", workflow="Other"), Chain("m"), Chain("b")
        with closing(self.open_store()) as store:
            for chain in (one, other, two, three):
                write(store, chain.next())
            write(store, one.next(after="shipped", outcome="sold"), three.next(after="review"))
            with store.reader() as reader:
                z, m, b = Standing("z", "shipped", "sold"), Standing("m", "cart", None), Standing("b", "review", None)
                assert list(reader.standings("Order")) == [z, m, b]
                assert list(reader.standings("Order", running=True)) == [m, b]
                assert list(reader.standings("Order", after="z")) == [m, b]
                assert list(reader.standings("Order", after="m", running=True)) == [b]
                assert list(reader.standings("Order", after="b")) == []
                assert list(reader.standings("Order", after="absent")) == []
                assert list(reader.standings("Absent")) == []

    def test_standings_may_be_left_before_their_end(self) -> None:
        """What was begun and not read to its end holds nothing up."""
        with closing(self.open_store()) as store:
            write(store, *(Chain(f"i-{number}").next() for number in range(TURNS)))
            with store.reader() as reader:
                assert next(reader.standings("Order")).instance == "i-0"
                assert len(list(reader.standings("Order"))) == TURNS
            write(store, Chain("later").next())

    def test_snapshot_is_of_its_first_moment_beside_a_writer_and_readers(self) -> None:
        """It sees nothing of what is committed after its beginning, and nobody waits for it, on its own thread too."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next(after="shipped")
        with closing(self.open_store()) as store:
            write(store, first)
            with store.snapshot() as snapshot:
                write(store, second)
                aside(lambda: assert_seen_in(store, [first, second]))
                assert_seen(snapshot, [first])
                assert list(snapshot.standings("Order")) == [Standing("i-1", "cart", None)]
                with store.snapshot() as later:
                    assert_seen(later, [first, second])
            assert_seen_in(store, [first, second])

    def test_journal_is_of_one_instance_oldest_first(self) -> None:
        """Rows of instances that take turns do not mix."""
        one, two = Chain("i-1"), Chain("i-2")
        mine, theirs = list[Draft](), list[Draft]()
        with closing(self.open_store()) as store:
            for _ in range(TURNS):
                mine.append(one.next())
                theirs.append(two.next())
                write(store, mine[-1])
                write(store, theirs[-1])
            with store.reader() as reader:
                assert reader.journal("i-1") == rows_of(*mine)
                assert reader.journal("i-2") == rows_of(*theirs)
                assert reader.row("i-1", TURNS) == Row(mine[-1].record, mine[-1].head.hash)
                assert reader.row("i-1", TURNS + 1) is None

    def test_keys_come_by_version(self) -> None:
        """Each with the place of its row in the lane; a version without a key has none."""
        chain = Chain("i-1")
        drafts = [chain.next(key="z"), chain.next(key="b"), chain.next(), chain.next(key="a")]
        with closing(self.open_store()) as store:
            for draft in drafts:
                write(store, draft)
            with store.reader() as reader:
                assert reader.keys("i-1") == [key for draft in drafts for key in draft.keys]
                assert [key.n for key in reader.keys("i-1")] == [1, 2, 4]

    def test_key_belongs_to_one_instance_and_kind(self) -> None:
        """The same text is another key of another instance, and of another kind."""
        drafts = [Chain(instance).next(key="k") for instance in ("i-1", "i-2")]
        with closing(self.open_store()) as store:
            write(store, *drafts)
            with store.transaction() as transaction:
                found = transaction.keys([("i-1", "start", "k"), ("i-2", "start", "k"), ("i-1", "send", "k")])
            assert found == {(draft.record.instance, "start", "k"): draft.keys[0] for draft in drafts}

    def test_definition_is_kept_once_and_never_replaced(self) -> None:
        """The first text of a fingerprint stays."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next()
        second.definition = "another text under the same fingerprint"
        with closing(self.open_store()) as store:
            write(store, first)
            write(store, second)
            with store.reader() as reader:
                assert reader.definition(first.record.fingerprint) == "chart one"

    # -- the lane ------------------------------------------------------------------------------------------------------

    def test_lane_holds_every_row_and_each_batch_is_sealed_once(self) -> None:
        """Positions have no gap; the last row of a batch carries the seal of its rows, chained to the one before."""
        one, two = Chain("i-1"), Chain("i-2")
        batches = [[one.next()], [one.next(), two.next(), one.next()], [two.next()]]
        with closing(self.open_store()) as store:
            for batch in batches:
                write(store, *batch)
            assert_lane(store, batches)

    def test_batch_may_hold_several_drafts_of_one_instance(self) -> None:
        """Each is compared with the one before it in the batch, the first with the store."""
        chain = Chain("i-1")
        drafts = [chain.next(), chain.next(key="k"), chain.next(after="shipped", outcome="sold")]
        later = [chain.next(), chain.next()]
        with closing(self.open_store()) as store:
            write(store, *drafts)
            with store.reader() as reader:
                assert reader.head("i-1") == drafts[-1].head
            write(store, *later)
            with store.reader() as reader:
                assert reader.journal("i-1") == rows_of(*drafts, *later)
            assert_lane(store, [drafts, later])

    def test_each_append_of_a_transaction_is_sealed(self) -> None:
        """Two appends make two sealed batches of one commit; the second builds on the first."""
        chain = Chain("i-1")
        first, second = [chain.next(), chain.next()], [chain.next()]
        with closing(self.open_store()) as store:
            with store.transaction() as transaction:
                transaction.append(first)
                transaction.append(second)
                transaction.commit()
            assert_lane(store, [first, second])

    def test_appending_nothing_changes_nothing(self) -> None:
        """An empty batch leaves no row and no seal."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next()
        with closing(self.open_store()) as store:
            write(store, first)
            write(store)
            write(store, second)
            assert_lane(store, [[first], [second]])
