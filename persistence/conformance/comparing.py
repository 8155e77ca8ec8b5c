"""A store beside `MemoryStore`, both driven alike: whatever the one answers or refuses, the other does too.

For who writes a store. It draws what happens, so it needs Hypothesis (the extra `drill`).

    class MyStoreComparison(StoreComparison):
        def open_store(self) -> Store:
            return MyStore(a_fresh_place())

    TestMyStoreComparison = MyStoreComparison.TestCase

`MemoryStore` is the port in its plainest form, so it is the oracle. Compared is all that can be read, after each step:
instances in their order, heads with their marks, journals, keys, stubs, checkpoints, counts, and the lane with its
seals.
"""

import copy
from collections.abc import Callable
from contextlib import suppress

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from persistence.conformance.kit import Chain, evidence_of, expire_all
from persistence.errors import Conflict, StoreError
from persistence.memory import MemoryStore
from persistence.records import Checkpoint, Draft, Quarantine, Stub, record_digest
from persistence.store import Store, Transaction

__all__ = ["StoreComparison"]

INSTANCES = ("i-1", "i-2", "Zoë")
KEYS = ("k-1", "k-2", "k-3")
LABELS = ("before", "after")
LARGE = b'{"total":"' + b"x" * 3_000 + b'"}'
IMAGES = (b'{"total":1}', b'{"total":2}', LARGE)


class _LeftError(Exception):
    """Leaves a transaction that is not to be committed."""


class StoreComparison(RuleBasedStateMachine):
    """Drives a store and a `MemoryStore` alike. Subclass it and give it `open_store`."""

    def open_store(self) -> Store:
        """Return a new, empty store."""
        raise NotImplementedError

    def open_again(self, store: Store) -> Store | None:
        """Close a store and return it opened anew; None where nothing outlasts closing."""
        del store
        return None

    @initialize()
    def begin(self) -> None:
        """Open both."""
        self.stores: list[Store] = [MemoryStore(), self.open_store()]
        self.chains: dict[str, Chain] = {}
        self.count = 0

    def teardown(self) -> None:
        """Close both."""
        for store in getattr(self, "stores", ()):
            store.close()

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(
        batch=st.lists(
            st.tuples(
                st.sampled_from(INSTANCES),
                st.none() | st.sampled_from(KEYS),
                st.sampled_from(["cart", "review", "fulfil.stock,fulfil.parcel"]),
                st.sampled_from(IMAGES),
                st.sampled_from([None, None, None, "", "done"]),
            ),
            min_size=1,
            max_size=4,
        ),
        ends=st.sampled_from(["commit", "commit", "commit", "leave", "raise"]),
    )
    def write(self, batch: list[tuple[str, str | None, str, bytes, str | None]], ends: str) -> None:
        """Append a batch, and commit it or not; a key that was used before is refused by both."""
        chains = copy.deepcopy(self.chains)
        drafts: list[Draft] = []
        for instance, key, after, image, outcome in batch:
            chain = chains.setdefault(instance, Chain(instance))
            self.count += 1
            named = key if chain.version else None  # the key of a start has no text
            drafts.append(chain.next(key=named, after=after, image=image, outcome=outcome, number=self.count))
            if image is LARGE:
                drafts[-1].head.image = None

        def work(transaction: Transaction) -> None:
            transaction.append(drafts)
            if ends == "raise":
                raise _LeftError
            if ends == "commit":
                transaction.commit()

        if self._both(work) == "" and ends == "commit":
            self.chains = chains

    @rule(instance=st.sampled_from(INSTANCES), wrong=st.sampled_from(["again", "gap", "other hash", "new"]))
    def conflict(self, instance: str, wrong: str) -> None:
        """Append what does not follow from the head: both refuse it, and whatever is done with the rest."""
        chain = copy.deepcopy(self.chains.get(instance, Chain(instance)))
        draft = chain.next()
        if wrong == "gap":
            draft = chain.next()
        elif wrong == "other hash":
            draft.head.previous_hash = bytes(32)
        elif wrong == "again":
            draft.record.version -= 1
        elif instance in self.chains:
            draft = Chain(instance).next()

        def work(transaction: Transaction) -> None:
            with suppress(Conflict):
                transaction.append([draft])
            transaction.commit()

        if instance in self.chains or wrong == "gap":
            assert self._both(work) == "Conflict"

    @rule(instance=st.sampled_from(INSTANCES), version=st.integers(0, 5))
    def quarantine(self, instance: str, version: int) -> None:
        """Set an instance aside."""
        mark = Quarantine(instance, f"because of {version}", version, 7)
        self._both(_done(lambda transaction: transaction.quarantine(mark)))

    @rule(instance=st.sampled_from(INSTANCES), label=st.sampled_from(LABELS))
    def checkpoint(self, instance: str, label: str) -> None:
        """Name where an instance is; a label that it has already is refused by both."""
        chain = self.chains.get(instance, Chain(instance))
        named = Checkpoint(instance, chain.version, chain.previous, label, ("a", "b"), None, 9, b'{"total":1}')
        self._both(_done(lambda transaction: transaction.checkpoint(named)))

    @rule(instance=st.sampled_from(INSTANCES))
    def set_newest_aside(self, instance: str) -> None:
        """Take the newest row of an instance out of its journal."""
        with self.stores[0].reader() as reader:
            found, seals = evidence_of(reader, instance), {one.n: one.seal for one in reader.lane()}
            head = reader.head(instance)
        if head is None or not found or found[-1].row is None or found[-1].version != head.version:
            return
        newest, proof = found[-1], record_digest(found[-1].row.record) + head.image_digest
        stub = Stub(newest.n, instance, newest.version, newest.hash, seals[newest.n], proof)
        rows = [one.n for one in found[:-1]]
        self._both(_done(lambda transaction: transaction.set_aside(stub, rows=rows, reason="drawn", time=11)))

    @rule(before=st.integers(0, 400))
    def expire_keys(self, before: int) -> None:
        """Forget the keys of instances that ended long ago."""
        for store in self.stores:
            expire_all(store, before)

    @rule()
    def reopen(self) -> None:
        """Close the store and open it anew."""
        again = self.open_again(self.stores[1])
        if again is not None:
            self.stores[1] = again

    def _both(self, work: Callable[[Transaction], None]) -> str:
        """Do the same in both; return the name of what both raise, empty where they raise nothing."""
        raised = [_raised(store, work) for store in self.stores]
        assert raised[0] == raised[1], (
            f"MemoryStore raises {raised[0] or 'nothing'}, the store {raised[1] or 'nothing'}"
        )
        return raised[0]

    # -- what is read --------------------------------------------------------------------------------------------------

    @invariant()
    def reads_alike(self) -> None:
        """Everything that can be read is the same in both."""
        expected, found = (_read(store) for store in self.stores)
        for what, value in expected.items():
            assert found[what] == value, what


def _done(work: Callable[[Transaction], None]) -> Callable[[Transaction], None]:
    def done(transaction: Transaction) -> None:
        work(transaction)
        transaction.commit()

    return done


def _raised(store: Store, work: Callable[[Transaction], None]) -> str:
    try:
        with store.transaction() as transaction:
            work(transaction)
    except (StoreError, _LeftError) as error:  # anything else is a fault of the store
        return type(error).__name__
    return ""


def _read(store: Store) -> dict[str, object]:
    """Return all that a store tells, by what it is."""
    with store.reader() as reader:
        told: dict[str, object] = {"instances": list(reader.instances()), "lane": list(reader.lane())}
        told["counts"] = {name: count for name, count in reader.row_counts().items() if count}
        for instance in INSTANCES:
            told[f"head of {instance}"] = reader.head(instance)
            told[f"journal of {instance}"] = reader.journal(instance)
            told[f"evidence of {instance}"] = evidence_of(reader, instance)
            keys = sorted(reader.keys(instance), key=lambda one: (one.version, one.kind))
            told[f"keys of {instance}"] = [attrs.evolve(one, key="", is_told=True) for one in keys]
            gone = {one.version for one in reader.stubs(instance)}  # with a row its key's text may be lost
            told[f"texts of keys of {instance}"] = [one.key for one in keys if one.version not in gone]
            told[f"stubs of {instance}"] = reader.stubs(instance)
            told[f"checkpoints of {instance}"] = reader.checkpoints(instance)
    return told
