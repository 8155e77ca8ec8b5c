"""What seals prove: of any one row that is changed or lost, its true hash and no other; of a sound lane, everything."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from persistence import Sealed
from persistence.lane import LaneFacts, lane_facts
from persistence.records import seal_of

SIZES = st.lists(st.integers(1, 3), min_size=2, max_size=6)
WRONG = bytes(32)


def lane_of(sizes: list[int]) -> list[Sealed]:
    """Return a lane whose commits have these sizes."""
    found, seal = list[Sealed](), bytes(32)
    for size in sizes:
        first = len(found) + 1
        hashes = tuple(sha256(b"%d" % n).digest() for n in range(first, first + size))
        seal = seal_of(seal, first, hashes)
        for n, one in enumerate(hashes, start=first):
            found.append(Sealed(n, one, seal if n == first + size - 1 else None))
    return found


def changed(lane: list[Sealed], n: int, *, row_hash: bytes | None = None, seal: bytes | None = None) -> LaneFacts:
    """Return what is found of a lane in which one position says something else."""
    old = lane[n - 1]
    new = Sealed(n, row_hash or old.hash, seal if seal is not None and old.seal is not None else old.seal)
    return lane_facts([*lane[: n - 1], new, *lane[n:]])


@given(SIZES)
def test_a_sound_lane_has_no_finding(sizes: list[int]) -> None:
    lane = lane_of(sizes)
    found = lane_facts(lane)
    assert (found.broken, found.stretches, found.rows, found.seal) == ((), (), len(lane), lane[-1].seal)


@given(SIZES, st.data())
def test_a_changed_hash_is_found_and_only_the_true_one_is_proven(sizes: list[int], data: st.DataObject) -> None:
    lane = lane_of(sizes)
    n = data.draw(st.integers(1, len(lane)))
    found = changed(lane, n, row_hash=WRONG)
    assert len(found.broken) == 1
    assert found.doubts(WRONG)
    assert found.proves(n, lane[n - 1].hash) == lane[n - 1]
    assert found.proves(n, WRONG) is None


@given(SIZES, st.data())
def test_a_changed_seal_is_found_and_proven_by_the_commit_after_it(sizes: list[int], data: st.DataObject) -> None:
    lane = lane_of(sizes)
    sealed = [one.n for one in lane[:-1] if one.seal is not None]
    n = data.draw(st.sampled_from(sealed))
    found = changed(lane, n, seal=WRONG)
    assert len(found.broken) == 1
    assert found.proves(n, lane[n - 1].hash) == lane[n - 1]
    assert not any(found.doubts(one.hash) for one in lane)


@given(SIZES, st.data())
def test_a_changed_row_with_its_seal_is_proven_by_the_commit_after_it(sizes: list[int], data: st.DataObject) -> None:
    lane = lane_of(sizes)
    sealed = [one.n for one in lane[: -sizes[-1]] if one.seal is not None]
    n = data.draw(st.sampled_from(sealed))
    found = changed(lane, n, row_hash=WRONG, seal=WRONG)
    assert found.proves(n, lane[n - 1].hash) == lane[n - 1]
    assert found.proves(n, sha256(b"another").digest()) is None
    assert not any(found.doubts(one.hash) for one in lane[n:])


@given(SIZES, st.data())
def test_a_lost_row_is_found_and_its_hash_proven(sizes: list[int], data: st.DataObject) -> None:
    lane = lane_of(sizes)
    n = data.draw(st.integers(1, len(lane) - sizes[-1]))
    found = lane_facts([*lane[: n - 1], *lane[n:]])
    assert found.missing == (n,)
    assert found.proves(n, lane[n - 1].hash) == lane[n - 1]
    assert found.proves(n, WRONG) is None
    assert not any(found.doubts(one.hash) for one in lane)


@given(SIZES, st.data())
def test_a_lost_seal_is_found_and_the_rows_around_it_are_proven(sizes: list[int], data: st.DataObject) -> None:
    lane = lane_of(sizes)
    n = data.draw(st.sampled_from([one.n for one in lane[: -sizes[-1]] if one.seal is not None]))
    found = lane_facts([*lane[: n - 1], Sealed(n, lane[n - 1].hash, None), *lane[n:]])
    assert len(found.broken) == 1
    assert not any(found.doubts(one.hash) for one in lane)
    assert found.proves(n, lane[n - 1].hash) == lane[n - 1]


def test_rows_lost_at_the_end_of_the_lane_leave_no_trace_in_it() -> None:
    lane = lane_of([1, 1, 1])
    assert lane_facts(lane[:-1]).broken == ()


def test_a_commit_that_is_not_whole_is_a_finding() -> None:
    lane = lane_of([1, 2])
    assert lane_facts(lane[:-1]).broken == ("rows 2 to 2 carry no seal: their commit is not whole",)


def test_several_rows_lost_together_are_found() -> None:
    lane = lane_of([1, 1, 1, 1, 1])
    found = lane_facts([*lane[:1], *lane[3:]])
    assert "rows 2 to 3 are missing from the order of commits" in found.broken
    assert found.proves(2, lane[1].hash) is None  # nobody knows the other one's


def test_a_number_that_was_damaged_leaves_a_gap_of_any_size() -> None:
    lane = lane_of([1, 1, 1])
    found = lane_facts([*lane[:2], Sealed(2**62, lane[2].hash, lane[2].seal)])
    assert found.missing[:2] == (3, 4)
    assert found.proves(2**61, WRONG) is None
