"""Written field by field, with what has not changed taken over, a value has the bytes that it has as a whole."""

from typing import Any, cast

import pytest
from attrs import define, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statemachine import DataError, State, Workflow
from statemachine._codec import parting
from statemachine._codec.kinds import Record
from statemachine._codec.parting import Parted, parted
from statemachine._codec.writing import JSON
from statemachine.codec import Codec
from statemachine.patches import Listed, diff, diff_fields, fold
from statemachine.workflow import definition_of
from tests.codecs import classes, types
from tests.test_codec_freezing import EQUAL_BUT_STORED_DIFFERENTLY, Loose

SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[type[Any], list[Any]]:
    """A class of some fields, and values of it."""
    kind, values = classes(draw(st.lists(types(), min_size=1, max_size=4)))
    return kind, draw(st.lists(values, min_size=2, max_size=4))


def check(codec: Codec[Any], values: list[Any], how: Parted) -> None:
    """Write values one after the other, each with what is known of the one before it."""
    earlier, parts = how.nothing
    image = b""
    for value in values:
        was, before = parts, image
        frozen = codec.freeze(value)
        parts = how.parts_of(value, frozen, earlier, was)
        earlier, image = frozen, how.template % parts  # type: ignore[assignment]  # of a class: one item for each field
        assert image == codec.encode(value)
        if before:
            patch = diff_fields(how.keys, was, parts)
            assert patch == diff(before, image)
            assert fold(before, [patch]) == image


@SLOW
@given(case=histories())
def test_parts_are_the_bytes_of_the_whole(case: tuple[type[Any], list[Any]]) -> None:
    codec: Codec[Any] = Codec(case[0], path="value")
    kind = codec._kind
    if codec.parted is not None and isinstance(kind, Record):
        check(codec, case[1], codec.parted)
        check(codec, case[1], parted(kind, JSON))


@pytest.mark.parametrize(("one", "other"), EQUAL_BUT_STORED_DIFFERENTLY)
def test_what_is_equal_and_stored_differently_is_written_again(one: Loose, other: Loose) -> None:
    codec = Codec(Loose, path="data")
    assert codec.parted is not None
    check(codec, [one, other, one], codec.parted)


def test_a_field_that_is_taken_for_unchanged_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: every kind is taken for one that `==` tells apart."""
    monkeypatch.setattr(parting, "is_told_apart", lambda _kind: True)
    one, other = EQUAL_BUT_STORED_DIFFERENTLY[0]
    codec = Codec(Loose, path="data")
    assert codec.parted is not None
    with pytest.raises(AssertionError):
        check(codec, [one, other], codec.parted)


@define
class Kept:
    level: int = 0


class Keeping(Workflow[Kept], revision=1):
    on_, off = State(initial=True), State()


def test_a_value_that_does_not_fit_is_refused_with_its_path() -> None:
    definition, wrong = definition_of(Keeping), cast("Any", "x")
    with pytest.raises(DataError, match=r"^Kept\.level: expected an integer, got 'x'"):
        definition.image_of(Kept(wrong), (0,), None)


@define
class Part:
    name: str = "é"
    count: int = 0


@define
class Whole:
    parts: list[Part] = field(factory=lambda: [Part("a"), Part("b"), Part("c")])
    pairs: tuple[Part, ...] = ()
    words: list[str] = field(factory=list[str])


def changes_of_lists() -> list[Whole]:
    """Values one after the other: changed inside, appended to, cut, in another order, emptied, filled again."""
    one, two, three = Part("a"), Part("b", 1), Part("c")
    lists = [[one, two, three], [one, two], [two, one], [one, two, three, three], [], [three], [Part("c", 2), three]]
    return [Whole(), *(Whole(many, tuple(reversed(many)), [part.name for part in many]) for many in lists)]


def check_lists(values: list[Whole]) -> None:
    """Write each as an engine does: thawed from what the one before it left, and frozen given that."""
    codec: Codec[Any] = Codec(Whole, path="value")
    assert codec.parted is not None
    how = codec.parted
    earlier, parts = how.nothing
    for value in values:
        frozen: Any = codec.refreeze(value, codec.freeze(Whole()) if parts == how.nothing[1] else earlier)
        was, parts = parts, how.parts_of(value, frozen, earlier, parts)
        earlier = frozen
        image = how.template % parts
        assert image == codec.encode(value)
        if was != how.nothing[1]:
            patch, before = diff_fields(how.keys, was, parts), how.template % was
            assert patch == diff(before, image)
            assert fold(before, [patch]) == image


def test_a_list_of_objects_is_written_object_by_object() -> None:
    """However it changes; what is known of its items is never more than what its bytes say."""
    values = changes_of_lists()
    check_lists(values)
    check_lists(values[::-1])
    check_lists([value for pair in zip(values, values[::-1], strict=True) for value in pair])


def test_only_what_changed_in_a_list_is_written() -> None:
    codec = Codec(Whole, path="value")
    assert codec.parted is not None
    value = Whole()
    frozen: Any = codec.freeze(value)
    parts = codec.parted.parts_of(value, frozen, *codec.parted.nothing)
    value.parts[1].count = 7
    again: Any = codec.refreeze(value, frozen)
    found = codec.parted.parts_of(value, again, frozen, parts)

    old, new = parts[0], found[0]
    assert isinstance(old, Listed)
    assert isinstance(new, Listed)
    assert [one is other for one, other in zip(old.items, new.items, strict=True)] == [True, False, True]
    assert found[1] is parts[1]


def test_an_item_that_is_taken_for_another_one_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: where a list is as long as before, its items are taken to be the same."""

    def too_soon(write: Any, values: Any, part: bytes, *, now: Any, was: Any) -> Listed:
        known = list(part.items) if isinstance(part, Listed) else []
        return Listed.of(known if len(known) == len(now) else [write(value) for value in values])

    monkeypatch.setattr(parting, "_listed", too_soon)
    with pytest.raises(AssertionError):
        check_lists(changes_of_lists())
