"""What is not committed does not exist, and what does not fit cannot be committed."""

from contextlib import closing

from persistence.conformance.kit import (
    Chain,
    append,
    aside,
    assert_lane,
    assert_only,
    assert_seen,
    assert_seen_in,
    generation_of,
    raised,
    rows_of,
    write,
)
from persistence.conformance.reading import ReadingContract
from persistence.errors import Conflict, StoreError
from persistence.records import Found, Quarantine, Row, Stub
from persistence.store import Store

__all__ = ["WritingContract"]


class WritingContract(ReadingContract):
    """The second third of `StoreContract`: undoing, comparing, setting aside, repairing."""

    # -- what is not committed -----------------------------------------------------------------------------------------

    def test_leaving_without_commit_undoes_everything(self) -> None:
        """Rows, heads, keys, definitions and marks of a block that does not commit never existed."""
        chain = Chain("i-1")
        first, lost = chain.next(), chain.next(key="k")
        lost.record.fingerprint, lost.definition = b"lost".ljust(32), "lost"
        other = Chain("i-2").next(key="k")
        with closing(self.open_store()) as store:
            write(store, first)
            with store.transaction() as transaction:
                transaction.append([lost, other])
                transaction.quarantine(Quarantine("i-1", "damaged", 1, 5))
            assert_only(store, first)
            assert_lane(store, [[first]])

    def test_exception_undoes_everything_and_passes_through(self) -> None:
        """The block's exception reaches its caller, and the next transaction finds the store as it was."""
        chain = Chain("i-1")
        first, lost = chain.next(), chain.next(key="k")

        def fail(store: Store) -> None:
            with store.transaction() as transaction:
                transaction.append([lost])
                raise KeyError("the caller's own")

        with closing(self.open_store()) as store:
            write(store, first)
            raised(KeyError, lambda: fail(store))
            assert_only(store, first)
            write(store, lost)
            assert_lane(store, [[first], [lost]])

    def test_transaction_sees_what_it_appended(self) -> None:
        """Heads, rows, keys and definitions of the open transaction count for it, and for nobody else yet."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next(key="k")
        with closing(self.open_store()) as store:
            write(store, first)
            with store.transaction() as transaction:
                transaction.append([second])
                assert transaction.heads(["i-1"]) == {"i-1": second.head}
                assert transaction.row("i-1", second.record.version) == Row(second.record, second.head.hash)
                assert list(transaction.keys([("i-1", "send", "k")])) == [("i-1", "send", "k")]
                with store.reader() as reader:
                    assert reader.head("i-1") == first.head
                    assert reader.keys("i-1") == []
            assert_only(store, first)

    def test_reader_sees_one_consistent_snapshot(self) -> None:
        """What is committed while a reader is open does not show in it; the next reader has it."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next(key="k")
        other = Chain("i-2").next()
        with closing(self.open_store()) as store:
            write(store, first)
            with store.reader() as reader:
                assert reader.head("i-1") == first.head
                aside(lambda: write(store, second, other))
                assert list(reader.instances()) == ["i-1"]
                assert_seen(reader, [first])
                assert reader.head("i-2") is None
            with store.reader() as reader:
                assert list(reader.instances()) == ["i-1", "i-2"]
                assert reader.journal("i-1") == rows_of(first, second)

    def test_reader_may_be_opened_inside_a_reader(self) -> None:
        """Reading while reading neither waits nor ends the outer view."""
        first = Chain("i-1").next()
        with closing(self.open_store()) as store:
            write(store, first)
            with store.reader() as outer:
                with store.reader() as inner:
                    assert inner.head("i-1") == first.head
                assert outer.head("i-1") == first.head

    # -- compare and set -----------------------------------------------------------------------------------------------

    def test_conflict_if_the_version_is_taken(self) -> None:
        """A draft that was decided against an older head is refused, and the store stays as it was."""
        chain, stale = Chain("i-1"), Chain("i-1")
        first, second = chain.next(), chain.next()
        stale.next()
        late = stale.next(after="elsewhere")
        with closing(self.open_store()) as store:
            write(store, first)
            write(store, second)
            raised(Conflict, lambda: write(store, late))
            assert_seen_in(store, [first, second])

    def test_conflict_if_the_hash_is_another(self) -> None:
        """The same version with another hash is not the head that was decided against."""
        chain, other = Chain("i-1"), Chain("i-1")
        first = chain.next()
        other.next(after="elsewhere")
        second = other.next()
        with closing(self.open_store()) as store:
            write(store, first)
            raised(Conflict, lambda: write(store, second))
            assert_seen_in(store, [first])

    def test_conflict_if_the_instance_was_started(self) -> None:
        """Version 1 is taken once."""
        first, again = Chain("i-1").next(), Chain("i-1").next(after="elsewhere")
        with closing(self.open_store()) as store:
            write(store, first)
            raised(Conflict, lambda: write(store, again))
            assert_seen_in(store, [first])

    def test_conflict_if_there_is_no_such_instance(self) -> None:
        """A later version needs the one before it."""
        chain = Chain("i-1")
        chain.next()
        second = chain.next()
        with closing(self.open_store()) as store:
            raised(Conflict, lambda: write(store, second))
            with store.reader() as reader:
                assert list(reader.instances()) == []

    def test_conflict_if_a_version_is_left_out(self) -> None:
        """Versions have no gap, in the store and within a batch."""
        chain = Chain("i-1")
        first, left_out, third = chain.next(), chain.next(), chain.next()
        del left_out
        with closing(self.open_store()) as store:
            write(store, first)
            raised(Conflict, lambda: write(store, third))
            raised(Conflict, lambda: write(store, Chain("i-2").next(), third))
            assert_seen_in(store, [first])

    def test_conflict_if_the_key_is_taken(self) -> None:
        """A key stands for one transition for ever."""
        chain = Chain("i-1")
        first, second, third = chain.next(), chain.next(key="k"), chain.next(key="k")
        with closing(self.open_store()) as store:
            write(store, first, second)
            raised(Conflict, lambda: write(store, third))
            assert_seen_in(store, [first, second])

    def test_failed_append_voids_the_transaction(self) -> None:
        """Who catches the Conflict of a batch cannot commit the part of it that would have fitted."""
        first, again = Chain("i-1").next(), Chain("i-1").next(after="elsewhere")
        beside = Chain("i-2").next()
        with closing(self.open_store()) as store:
            write(store, first)
            with store.transaction() as transaction:
                raised(Conflict, append(transaction, beside, again))
                raised(StoreError, append(transaction, Chain("i-3").next()))
                raised(StoreError, transaction.commit)
            assert_seen_in(store, [first])
            write(store, beside)
            assert_lane(store, [[first], [beside]])

    def test_transaction_is_over_after_its_commit(self) -> None:
        """Nothing can be written in it any more, and nothing that is tried is committed."""
        chain = Chain("i-1")
        first, late = chain.next(), chain.next()
        with closing(self.open_store()) as store:
            with store.transaction() as transaction:
                transaction.append([first])
                transaction.commit()
                raised(StoreError, append(transaction, late))
                raised(StoreError, lambda: transaction.quarantine(Quarantine("i-1", "late", 1, 5)))
                raised(StoreError, transaction.commit)
            assert_seen_in(store, [first])
            write(store, late)
            assert_lane(store, [[first], [late]])

    # -- quarantine ----------------------------------------------------------------------------------------------------

    def test_quarantine_mark_is_kept(self) -> None:
        """The first mark stands, shows in the head, and outlives later transitions."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next()
        with closing(self.open_store()) as store:
            write(store, first)
            for reason in ("first reason", "second reason"):
                with store.transaction() as transaction:
                    transaction.quarantine(Quarantine("i-1", reason, 1, 5))
                    transaction.commit()
            write(store, second)
            marked = second.head
            marked.quarantine = "first reason"
            with store.transaction() as transaction:
                assert transaction.heads(["i-1"]) == {"i-1": marked}
            with store.reader() as reader:
                assert reader.head("i-1") == marked

    def test_quarantine_of_an_unknown_instance_marks_nobody(self) -> None:
        """An instance that is started later under that id is not marked."""
        with closing(self.open_store()) as store:
            with store.transaction() as transaction:
                transaction.quarantine(Quarantine("i-1", "damaged", 0, 5))
                transaction.commit()
            first = Chain("i-1").next()
            write(store, first)
            assert_seen_in(store, [first])

    # -- repairs -------------------------------------------------------------------------------------------------------

    def test_row_that_is_set_aside_leaves_its_stub(self) -> None:
        """No reader of the journal meets the row; the stub holds its place in the lane, and the head stands."""
        chain = Chain("i-1")
        drafts = [chain.next(key="a"), chain.next(key="b"), chain.next()]
        stub = Stub(2, "i-1", 2, drafts[1].head.hash, None, b"proof")
        with closing(self.open_store()) as store:
            write(store, *drafts[:2])
            with store.reader() as reader:
                stub.seal = list(reader.lane())[1].seal
            with store.transaction() as transaction:
                transaction.set_aside(stub, rows=(1,), reason="damaged", time=5)
                assert transaction.row("i-1", 2) is None
                assert transaction.stubs("i-1") == [stub]
                transaction.append([drafts[2]])
                transaction.commit()
            with store.reader() as reader:
                assert reader.journal("i-1") == rows_of(drafts[0], drafts[2])
                assert (reader.row("i-1", 2), reader.row("i-1", 3)) == (None, rows_of(drafts[2])[0])
                assert (reader.stubs("i-1"), reader.stubs("i-2")) == ([stub], [])
                assert reader.head("i-1") == drafts[2].head
                assert [key.version for key in reader.keys("i-1")] == [1, 2]  # its text may be lost with the row
                assert reader.row_counts() == {"i-1": 2}
            with store.transaction() as transaction:
                found = transaction.keys([("i-1", "send", "b")])
            assert list(found.values()) == list(drafts[1].keys)
            assert_lane(store, [drafts[:2], drafts[2:]])

    def test_repair_that_is_not_committed_never_was(self) -> None:
        """Stub and rebuilt head are undone with their transaction, and cached heads are dropped."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next()
        with closing(self.open_store()) as store:
            write(store, first)
            write(store, second)
            seen = generation_of(store)
            with store.transaction() as transaction:
                transaction.rebuild(second.head, rows=(1, 2), reason="damaged", time=5)
                transaction.set_aside(
                    Stub(2, "i-1", 2, second.head.hash, None, b""), rows=(1,), reason="damaged", time=5
                )
            assert generation_of(store) != seen
            assert_seen_in(store, [first, second])
            with store.reader() as reader:
                assert reader.stubs("i-1") == []

    def test_head_is_rebuilt_from_its_rows(self) -> None:
        """Whatever stood there, the head reads back as given, the journal can be followed, and the next draft fits."""
        chain = Chain("i-1")
        first, second, third = chain.next(), chain.next(after="review", image=b"{}"), chain.next()
        with closing(self.open_store()) as store:
            write(store, first)
            write(store, Chain("i-2").next())
            write(store, second)
            self.damage_head(store, "i-1")
            seen = generation_of(store)
            with store.transaction() as transaction:
                transaction.rebuild(second.head, rows=(1, 3), reason="damaged", time=5)
                transaction.append([third])
                transaction.commit()
            assert generation_of(store) != seen
            with store.reader() as reader:
                assert reader.head("i-1") == third.head
                assert reader.journal("i-1") == rows_of(first, second, third)

    def test_repair_that_does_not_fit_is_a_conflict(self) -> None:
        """A head that its last row does not prove, an instance that does not exist, a place that is taken."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next()
        other = Chain("i-2").next()
        with closing(self.open_store()) as store:
            for draft in (first, second, other):
                write(store, draft)
            with store.transaction() as transaction:
                rebuild, aside_at = transaction.rebuild, transaction.set_aside
                raised(Conflict, lambda: rebuild(first.head, rows=(1, 2), reason="", time=5))
                raised(Conflict, lambda: rebuild(second.head, rows=(), reason="", time=5))
                raised(Conflict, lambda: rebuild(Chain("i-3").next().head, rows=(1,), reason="", time=5))
                raised(Conflict, lambda: aside_at(Stub(3, "i-1", 2, b"h", None, b""), rows=(1,), reason="", time=5))
                raised(Conflict, lambda: aside_at(Stub(9, "i-3", 1, b"h", None, b""), rows=(), reason="", time=5))
            assert_lane(store, [[first], [second], [other]])

    def test_evidence_is_every_row_of_one_instance(self) -> None:
        """By n, with version and hash, read without any pointer; a sound store finds no damage in itself."""
        one, two = Chain("i-1"), Chain("i-2")
        drafts = [one.next(), two.next(), one.next(key="k", told=("ann", "why"))]
        with closing(self.open_store()) as store:
            for draft in drafts:
                write(store, draft)
            mine = [drafts[0], drafts[2]]
            self.damage_head(store, "i-1")
            with store.reader() as reader:
                found = [
                    Found(n, draft.record.version, draft.head.hash, row)
                    for n, draft, row in zip((1, 3), mine, rows_of(*mine), strict=True)
                ]
                places = reader.places(["i-1", "absent", "i-2"])
                assert ([n for n in places.pop("i-1") if n < len(drafts) + 1], places) == ([1, 3], {"i-2": [2]})
                assert reader.places(["i-2"], first=3) == {"i-2": []}
                assert reader.places([]) == {}
                assert reader.evidence("i-1", [1, 2, 3, 9]) == found
                assert reader.evidence("i-1", [3]) == found[1:]
                assert reader.evidence("absent", [1, 2, 3]) == reader.evidence("i-1", []) == []
                assert reader.row_counts() == {"i-1": 2, "i-2": 1}
                assert reader.damage() == reader.malformed() == []
