"""What large data, named checkpoints and old keys need of a store."""

from contextlib import closing

from persistence.conformance.kit import Chain, assert_lane, evidence_of, expire_all, raised, rows_of, write
from persistence.conformance.writing import WritingContract
from persistence.errors import Conflict
from persistence.records import KIND_PATCH, Checkpoint, Draft, Stub
from persistence.store import Store

__all__ = ["FoldingContract"]


def large(chain: Chain, *, patches: int = 0, key: str | None = None, outcome: str | None = None) -> Draft:
    """Return a draft whose head holds no image, so many patches after a whole one."""
    done = chain.next(kind=KIND_PATCH, key=key, outcome=outcome)
    done.head.image, done.head.patches, done.head.patched = None, patches, 70 * patches
    return done


def named(draft: Draft, label: str, *, tags: tuple[str, ...] = (), note: str | None = None) -> Checkpoint:
    """Return a checkpoint of the version that a draft wrote."""
    record = draft.record
    return Checkpoint(record.instance, record.version, draft.head.hash, label, tags, note, record.time + 7, draft.image)


def put(store: Store, *wanted: Checkpoint) -> None:
    """Write named checkpoints and commit them."""
    with store.transaction() as transaction:
        for one in wanted:
            transaction.checkpoint(one)
        transaction.commit()


class FoldingContract(WritingContract):
    """The fourth part of `StoreContract`: images that the journal holds, checkpoints, the life of keys."""

    # -- images that the head does not hold ----------------------------------------------------------------------------

    def test_head_without_its_image_reads_back(self) -> None:
        """Digest and counts come back as they were given; the image comes again when it is inline again."""
        chain = Chain("i-1")
        drafts = [chain.next(), large(chain, patches=1), large(chain, patches=2), chain.next()]
        with closing(self.open_store()) as store:
            for draft in drafts:
                write(store, draft)
                with store.reader() as reader, store.transaction() as transaction:
                    assert reader.head("i-1") == draft.head
                    assert transaction.heads(["i-1"]) == {"i-1": draft.head}

    def test_head_without_its_image_is_rebuilt(self) -> None:
        """Whatever stood there, a head without an image reads back as given."""
        chain = Chain("i-1")
        first, second = chain.next(), large(chain, patches=1)
        with closing(self.open_store()) as store:
            write(store, first)
            write(store, second)
            self.damage_head(store, "i-1")
            with store.transaction() as transaction:
                transaction.rebuild(second.head, rows=(1, 2), reason="damaged", time=5)
                transaction.commit()
            with store.reader() as reader:
                assert reader.head("i-1") == second.head

    def test_rows_to_a_version_begin_at_the_newest_whole_image(self) -> None:
        """Of one instance, oldest first; the row before is among them also where the version's own is whole."""
        chain, other = Chain("i-1"), Chain("i-2")
        drafts = [chain.next(), chain.next(), large(chain), large(chain), chain.next(), large(chain)]
        with closing(self.open_store()) as store:
            for draft in drafts:
                write(store, draft, other.next())
            expected = [drafts[:1], drafts[:2], drafts[1:3], drafts[1:4], drafts[3:5], drafts[4:6], [], []]
            with store.reader() as reader, store.transaction() as transaction:
                for source in (reader, transaction):
                    for version, rows in zip((1, 2, 3, 4, 5, 6, 7, 0), expected, strict=True):
                        assert source.rows_to("i-1", version) == rows_of(*rows)
                    assert source.rows_to("absent", 1) == []

    def test_rows_are_found_wherever_a_key_says_that_they_are(self) -> None:
        """A hint is right, points at another instance's row, at another version, or nowhere: the rows are the same."""
        chain, other = Chain("i-1"), Chain("i-2")
        drafts = [chain.next(), large(chain), large(chain, key="k"), large(chain)]
        with closing(self.open_store()) as store:
            for draft in drafts:
                write(store, draft, other.next())
            with store.transaction() as transaction:
                (key,) = transaction.keys([("i-1", "send", "k")]).values()
                for near in (key.n, key.n + 1, 1, 99, 0, -1):
                    assert transaction.rows_to("i-1", key.version, near=near) == rows_of(*drafts[:3])

    def test_rows_to_a_version_pass_by_a_stub(self) -> None:
        """What was set aside is not among them."""
        chain = Chain("i-1")
        drafts = [chain.next(), large(chain), chain.next()]
        stub = Stub(2, "i-1", 2, drafts[1].head.hash, None, b"proof")
        with closing(self.open_store()) as store:
            write(store, *drafts[:2])
            with store.transaction() as transaction:
                transaction.set_aside(stub, rows=(1,), reason="damaged", time=5)
                transaction.append(drafts[2:])
                transaction.commit()
            with store.reader() as reader:
                assert reader.rows_to("i-1", 3) == rows_of(drafts[0], drafts[2])
                assert reader.rows_to("i-1", 2) == []

    def test_large_bodies_come_back_as_they_were(self) -> None:
        """Also those that begin like something else that a store might keep."""
        for body in (b"x" * 100_000, b"\x78\x9c", b"x", b"\x78" * 5_000, bytes(range(256)) * 40, b"{" + b" " * 5_000):
            chain = Chain("i-1")
            done = chain.next()
            done.record.body = body
            with closing(self.open_store()) as store:
                write(store, done)
                with store.reader() as reader:
                    assert reader.journal("i-1") == rows_of(done)
                    assert [one.row for one in evidence_of(reader, "i-1")] == rows_of(done)

    # -- named checkpoints ---------------------------------------------------------------------------------------------

    def test_checkpoint_reads_back_whole(self) -> None:
        """By version and label; one label alone; of one instance alone."""
        chain, other = Chain("i-1"), Chain("i-2")
        first, second = chain.next(image=b"{}" * 5_000), chain.next(image=b"")
        wanted = [named(first, "b", tags=("x,y", '"', ""), note="why"), named(first, "z"), named(second, "a", note="")]
        with closing(self.open_store()) as store:
            write(store, first, second, other.next())
            put(store, wanted[2], wanted[1], wanted[0])
            with store.reader() as reader:
                assert reader.checkpoints("i-1") == wanted
                assert reader.checkpoints("i-1", label="z") == wanted[1:2]
                assert reader.checkpoints("i-1", label="absent") == []
                assert reader.checkpoints("i-2") == reader.checkpoints("absent") == []

    def test_label_is_taken_once_in_an_instance(self) -> None:
        """A second one, and one of an instance that does not exist, is a Conflict; another instance's is its own."""
        one, two = Chain("i-1").next(), Chain("i-2").next()
        with closing(self.open_store()) as store:
            write(store, one, two)
            put(store, named(one, "a"), named(two, "a"))
            raised(Conflict, lambda: put(store, named(one, "a", note="again")))
            raised(Conflict, lambda: put(store, named(Chain("absent").next(), "a")))
            with store.reader() as reader:
                assert reader.checkpoints("i-1") == [named(one, "a")]

    def test_checkpoint_that_is_not_committed_never_was(self) -> None:
        """It is undone with its transaction, and changes neither head nor lane."""
        first = Chain("i-1").next()
        with closing(self.open_store()) as store:
            write(store, first)
            with store.transaction() as transaction:
                transaction.checkpoint(named(first, "a"))
            with store.reader() as reader:
                assert reader.checkpoints("i-1") == []
                assert reader.head("i-1") == first.head
            assert_lane(store, [[first]])

    def test_mended_checkpoint_keeps_what_its_author_said(self) -> None:
        """It gets version, hash and image; others keep theirs; one that is not there is a Conflict."""
        chain = Chain("i-1")
        first, second = chain.next(), chain.next(image=b"{}" * 5_000)
        proven = (2, second.head.hash, second.image)
        with closing(self.open_store()) as store:
            write(store, first, second)
            put(store, named(first, "a", tags=("t",), note="n"), named(first, "b"))
            with store.transaction() as transaction:
                transaction.mend_checkpoint("i-1", "a", proven, reason="damaged", time=9)
                transaction.commit()
            with store.transaction() as transaction:
                raised(Conflict, lambda: transaction.mend_checkpoint("i-1", "z", proven, reason="", time=9))
            mended = named(second, "a", tags=("t",), note="n")
            mended.time = first.record.time + 7
            with store.reader() as reader:
                assert reader.checkpoints("i-1") == [named(first, "b"), mended]
                assert reader.labels("i-1") == [("a", second.head.hash), ("b", first.head.hash)]

    # -- the life of keys ----------------------------------------------------------------------------------------------

    def test_keys_expire_some_time_after_the_end(self) -> None:
        """Of instances that ended before a time all keys go; of those that run, or ended later, none."""
        chains = [Chain("old"), Chain("late"), Chain("runs")]
        with closing(self.open_store()) as store:
            for chain, outcome, number in zip(chains, ("sold", "sold", None), (10, 100, 10), strict=True):
                write(store, chain.next(key="s", number=number))
                write(store, chain.next(key="k", outcome=outcome, number=number))
            expire_all(store, 14)
            with store.reader() as reader:
                assert [len(reader.keys(chain.instance)) for chain in chains] == [2, 2, 2]
            expire_all(store, 15)
            with store.reader() as reader:
                assert [len(reader.keys(chain.instance)) for chain in chains] == [0, 2, 2]
                assert [row.record.version for row in reader.journal("old")] == [1, 2]
            with store.transaction() as transaction:
                assert transaction.keys([("old", "send", "k"), ("old", "start", "s")]) == {}
            expire_all(store, 15)  # what has no keys any longer stands in nobody's way

    def test_keys_expire_from_any_place_on(self) -> None:
        """Whatever number a place is, going on from there comes by all instances."""
        chains = [Chain(f"i-{number}") for number in range(5)]
        with closing(self.open_store()) as store:
            for chain in chains:
                write(store, chain.next(key="s", outcome="sold", number=10))
            place, seen = 2**62 + 1, list[int]()
            for _ in chains:
                with store.transaction() as transaction:
                    place = transaction.expire_keys(before=100, place=place, most=3)
                    transaction.commit()
                with store.reader() as reader:
                    seen.append(sum(len(reader.keys(chain.instance)) for chain in chains))
            assert seen[-1] == 0
            assert seen == sorted(seen, reverse=True)
