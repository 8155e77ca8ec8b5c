"""A patch gives exactly the bytes that it was made of, whatever the data; damage is refused, never followed."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statemachine import patches
from statemachine.codec import dumps
from statemachine.errors import DataError
from statemachine.patches import Image, diff, fields_of, fold

FORMS = ["set", "drop", "add", "splice", "in"]
KEYS = st.sampled_from([*FORMS, "", "a", "b", '"', "\\", ',"a":1}', "é", "\U0001d518", "[", "{"]) | st.text(max_size=3)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(['"', "\\", '\\"', "]}", ',"a":1}', "x" * 40])
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, PLAIN, max_size=6)


def deep(levels: int) -> Any:
    """A value that is deeper than one match of the regular expression passes."""
    value: Any = {"leaf": "]"}
    for level in range(levels):
        value = [value, level] if level % 2 else {"in": value, "x": [level]}
    return value


@st.composite
def changed(draw: st.DrawFn, plain: Any) -> Any:
    """A value that much the same data may have after a transition: it grew, shrank, or is another one somewhere."""
    if isinstance(plain, list) and plain and draw(st.booleans()):
        at = draw(st.integers(0, len(plain)))
        return plain[:at] + draw(st.lists(PLAIN, max_size=2)) + plain[draw(st.integers(at, len(plain))) :]
    if isinstance(plain, list):
        return plain + draw(st.lists(PLAIN, max_size=3))
    if isinstance(plain, str) and draw(st.booleans()):
        return plain + draw(st.text(max_size=3))
    if isinstance(plain, dict) and plain:
        chosen = draw(st.sampled_from(list(plain)))
        kept = {key: value for key, value in plain.items() if key != chosen or draw(st.integers(0, 3))}
        if chosen in kept:
            kept[chosen] = draw(changed(plain[chosen]))
        return {**kept, **draw(st.dictionaries(KEYS, PLAIN, max_size=1))}
    return draw(PLAIN)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    before = draw(OBJECTS)
    after = before
    for _ in range(draw(st.integers(0, 3))):
        after = draw(changed(after))
    return before, after


def check(before: Any, after: Any) -> None:
    """Fold what `diff` tells, and find the bytes of after."""
    old, new = dumps(before), dumps(after)
    patch = diff(old, new)
    if patch is not None:
        json.loads(patch)
        assert fold(old, [patch]) == new


@given(pairs())
@example(({"a": [1]}, {"a": [12]}))
@example(({"a": []}, {"a": [[]]}))
@example(({"a": "x"}, {"a": 'x"'}))
@example(({"a": "x\\"}, {"a": 'x\\"'}))
@example(({"a": deep(9)}, {"a": [*deep(9), 1], "b": deep(12)}))
@example(({"a": {"set": {"b": 1}}}, {"a": {"set": {"b": 2}, "drop": 1}}))
@example(({"a": 1, "b": 2}, {"b": 2, "a": 1}))
def test_fold_of_a_patch_is_what_it_was_made_of(pair: tuple[Any, Any]) -> None:
    """Keys that look like forms, empty lists, odd texts, large numbers, growth in the depth: the bytes come back."""
    check(*pair)


@given(OBJECTS, OBJECTS)
def test_fold_leads_between_any_two_images(before: Any, after: Any) -> None:
    """Where a patch is told at all it is right, though the images have nothing to do with each other."""
    check(before, after)


@given(st.data())
def test_patches_fold_one_after_another(data: st.DataObject) -> None:
    """Several patches onto one image, lists and objects that were opened before included."""
    plain: Any = data.draw(OBJECTS)
    first = now = dumps(plain)
    found = list[bytes]()
    for _ in range(4):
        plain = data.draw(changed(plain))
        new = dumps(plain)
        patch = diff(now, new)
        if patch is None:
            return
        found.append(patch)
        now = new
    assert fold(first, found) == now


def test_patch_that_tells_less_than_changed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a diff that takes every longer list for one that was appended to."""
    monkeypatch.setattr(patches, "_splice", lambda was, value: b"[0,0,[]]")
    with pytest.raises(AssertionError):
        check({"a": [1, 2, 3, "a long item, so that a patch is worth it"]}, {"a": [2, 3, "a long item, so that a"]})


TOLD = [
    ({"a": 1, "b": 2}, {"a": 1, "b": 3}, '{"set":{"b":3}}'),
    ({"a": 1}, {"a": 1, "b": 3}, '{"set":{"b":3}}'),
    ({"a": 1, "b": 2}, {"a": 1}, '{"drop":{"b":null}}'),
    ({"a": ["long item"]}, {"a": ["long item", 7]}, '{"add":{"a":[7]}}'),
    ({"a": "a long text"}, {"a": "a long text that grew"}, '{"add":{"a":" that grew"}}'),
    ({"a": ["one", "two", "three"]}, {"a": ["one", "2", "three"]}, '{"splice":{"a":[1,2,["2"]]}}'),
    ({"a": {"b": "unchanged", "c": 1}}, {"a": {"b": "unchanged", "c": 2}}, '{"in":{"a":{"set":{"c":2}}}}'),
    ({"a": 1}, {"a": 1}, "{}"),
]


@pytest.mark.parametrize(("before", "after", "patch"), TOLD)
def test_patch_has_the_form_that_says_what_happened(before: Any, after: Any, patch: str) -> None:
    """One form for each kind of change, the shortest that tells it."""
    assert diff(dumps(before), dumps(after)) == patch.encode()


def test_other_order_of_keys_is_told_by_the_whole_image() -> None:
    """A patch cannot move a key; within a field the field is set."""
    assert diff(b'{"a":1,"b":2}', b'{"b":2,"a":1}') is None
    assert diff(b'{"f":{"a":1,"b":2}}', b'{"f":{"b":2,"a":1}}') == b'{"set":{"f":{"b":2,"a":1}}}'
    assert diff(b"null", b"{}") is None


@pytest.mark.parametrize(
    "patch",
    [
        b"", b"{", b"[]", b'{"set":1}', b'{"move":{"a":1}}', b'{"drop":{"z":null}}', b'{"add":{"n":[1]}}',
        b'{"add":{"a":"x"}}',
        b'{"splice":{"n":[0,0,[]]}}', b'{"splice":{"a":[0]}}', b'{"in":{"n":{}}}', b'{"in":{"z":{}}}', b"\xff" * 9,
        b'{"set":{"a":"' + b"x" * 99, b'{"in":{"o":' * 5_000 + b"1" + b"}}" * 5_000,
        b'{"set":{' + b'"\\"' * 99_999 + b"}}", b'{"splice":{"a":[0,0,[' + b'"\\"' * 99_999 + b"]]}}",
    ],
)  # fmt: skip
def test_patch_that_does_not_fit_is_refused(patch: bytes) -> None:
    """Bytes of a damaged file raise DataError and nothing else."""
    with pytest.raises(DataError):
        fold(b'{"n":1,"a":[1],"o":{"o":{}}}', [patch])


@given(st.binary(max_size=40) | OBJECTS.map(dumps).map(lambda raw: raw[:-1]), st.binary(max_size=40))
def test_any_bytes_are_an_image_or_refused(image: bytes, patch: bytes) -> None:
    """Total: bytes fold or raise DataError."""
    with suppress(DataError):
        fold(image, [patch])
    with suppress(DataError):
        diff(image, patch)
    with suppress(DataError):
        fold(b'{"a":[1]}', [b"{" + patch])


def test_copy_that_is_changed_leaves_its_original() -> None:
    """What is folded onto a copy does not show in the image it was made of."""
    image = Image(b'{"a":["x"],"o":{"t":"y"}}')
    image.fold(b'{"add":{"a":["z"]},"in":{"o":{"add":{"t":"y"}}}}')
    copy = image.copy()
    copy.fold(b'{"add":{"a":[1]},"in":{"o":{"add":{"t":"!"}}}}')
    assert image.encoded() == b'{"a":["x","z"],"o":{"t":"yy"}}'
    assert copy.encoded() == b'{"a":["x","z",1],"o":{"t":"yy!"}}'


def test_fields_are_the_bytes_between_the_commas() -> None:
    """Joined again they are what was read."""
    raw = dumps({"a": 1, 'b"': [deep(12), "x"], "c": {"d": "]"}})
    assert b"{" + b",".join(key + b":" + value for key, value in fields_of(raw).items()) + b"}" == raw
