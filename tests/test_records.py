"""The stored format cannot drift: golden vectors, and no two records are encoded alike."""

import struct
from hashlib import sha256
from typing import Any, cast

import pytest
from attrs import Attribute, asdict, evolve, fields
from hypothesis import example, given
from hypothesis import strategies as st

from persistence import records
from persistence.records import Draft, Record, genesis, head_hash, record_digest, seal_of

FULL = Record(
    instance="o-42",
    workflow="Order",
    version=2,
    fingerprint=bytes(range(32)),
    event="Submit",
    before="cart",
    after="fulfil.stock.queued,fulfil.parcel.wanted",
    revision=1,
    epoch=3,
    incarnation=4,
    key="msg-1",
    actor="Zoë",
    note="",
    time=1_700_000_000_000_000,
    token=b"run-1234\x00\x00\x00\x00\x00\x00\x00\x01",
    kind=1,
    body=b'{"event":{"sku":"lamp"},"image":{}}',
)
BARE = evolve(FULL, version=1, before="", key=None, actor=None, note=None, body=b"")

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBER = st.integers(-(2**63), 2**63 - 1)
OF: dict[object, st.SearchStrategy[object]] = {
    str: TEXT,
    int: NUMBER,
    bytes: st.binary(max_size=8),
    str | None: st.none() | TEXT,
}
OTHER: dict[object, object] = {str: "another", int: -7, bytes: b"another", str | None: "another"}
TYPES: dict[str, object] = {one.name: one.type for one in cast("tuple[Attribute[object], ...]", fields(Record))}
FIELDS = list(TYPES)
OPTIONAL = [name for name in FIELDS if TYPES[name] == str | None]
RECORDS = st.builds(Record, **{name: OF[kind] for name, kind in TYPES.items()})


def changed(record: Record, name: str, value: object) -> Record:
    """A record with another value in one field."""
    values: dict[str, Any] = asdict(record) | {name: value}
    return Record(**values)


class Spy:
    """Stands in for sha256 and remembers what it was given."""

    seen = b""

    def __init__(self, data: bytes) -> None:
        type(self).seen = data

    def digest(self) -> bytes:
        return sha256(self.seen).digest()


def decode(data: bytes) -> Record:
    """Read a record's encoding back, by the words of the specification and none of the code that wrote it."""
    prefix = b"perdure-record-1"
    assert data.startswith(prefix)
    place, values = len(prefix), list[object]()
    for kind in TYPES.values():
        (length,) = struct.unpack_from(">I", data, place)
        place += 4
        if length == 0xFFFFFFFF:
            values.append(None)
            continue
        part, place = data[place : place + length], place + length
        if kind is int:
            assert length == 8
            values.append(int.from_bytes(part, "big", signed=True))
        else:
            values.append(part if kind is bytes else part.decode())
    assert place == len(data)
    return Record(*cast("list[Any]", values))


def test_digest_of_a_record_is_the_recorded_one() -> None:
    assert record_digest(FULL).hex() == "0b653b4e35166c2f25815e661e3efbb18404ef64f161681c10a285d7af331549"
    assert record_digest(BARE).hex() == "b2ba490e6fc958f4bd0268b001f48bef66bb65f4c871388c1d52a6a17e1876b9"


def test_genesis_is_the_recorded_one() -> None:
    assert (
        genesis("o-42", "Order", b"0123456789abcdef").hex()
        == "d6eefc773eb220e2d4e503e0ad3bea84c31d23c2109ff78398938a086a39995a"
    )
    assert genesis("", "", b"").hex() == "0b491da9a710a812937ca0cb5d15a93cb6d54f1449109f9e301bddb552583521"


def test_head_hash_is_the_recorded_one() -> None:
    assert (
        head_hash(bytes(32), bytes(range(32)), b'{"total":1}').hex()
        == "cef1020e59019e7894bc4efc0ffdfbe218408d36005390e20969d2662d050196"
    )
    assert (
        head_hash(bytes(32), bytes(range(32)), b"").hex()
        == "f8e02edc3fed4001674647cee83145b1a04f5b2b8308402c9cc9e846abd8df9c"
    )


def test_seal_is_the_recorded_one() -> None:
    assert (
        seal_of(bytes(32), 1, (b"a" * 32,)).hex() == "4b2b5858b6f844c3f4faa48e46bca138bad08f88aef89e482d003c3dc6a225d4"
    )
    assert (
        seal_of(b"s" * 32, 1_000_000, (b"a" * 32, b"b" * 32)).hex()
        == "8ee55251abcfea93f33a31952bb3c55d2e4a29914de9ca79b58c81345cfb2f72"
    )


def test_encoding_of_a_record_is_the_recorded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "sha256", Spy)
    record_digest(evolve(BARE, instance="ä", workflow="W", fingerprint=b"F", event="E", after="s", token=b"", time=-1))
    assert Spy.seen == (
        bytes.fromhex(
            "706572647572652d7265636f72642d3100000002c3a40000000157000000080000000000000001000000014600000001"
            "45000000000000000173000000080000000000000001000000080000000000000003000000080000000000000004ffff"
            "ffffffffffffffffffff00000008ffffffffffffffff0000000000000008000000000000000100000000"
        )
    )


def test_order_of_the_fields_is_the_formats() -> None:
    assert " ".join(FIELDS) == (
        "instance workflow version fingerprint event before after revision epoch incarnation key actor note time "
        "token kind body"
    )


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_counts(name: str) -> None:
    assert record_digest(changed(FULL, name, OTHER[TYPES[name]])) != record_digest(FULL)


@pytest.mark.parametrize("name", OPTIONAL)
def test_none_is_not_empty(name: str) -> None:
    assert record_digest(changed(FULL, name, None)) != record_digest(changed(FULL, name, ""))


@given(RECORDS, st.sampled_from(FIELDS), st.data())
def test_change_of_one_field_changes_the_digest(record: Record, name: str, data: st.DataObject) -> None:
    values = OF[TYPES[name]].filter(lambda value: value != getattr(record, name))
    assert record_digest(changed(record, name, data.draw(values))) != record_digest(record)


@given(RECORDS)
@example(BARE)
@example(FULL)
def test_encoding_can_be_read_back_so_no_two_records_are_encoded_alike(record: Record) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "sha256", Spy)
        record_digest(record)
    assert decode(Spy.seen) == record


@given(RECORDS, RECORDS)
def test_digests_agree_only_for_equal_records(one: Record, two: Record) -> None:
    assert (record_digest(one) == record_digest(two)) == (one == two)


def test_text_cannot_be_moved_into_its_neighbour() -> None:
    """The planted fault of an encoding without length prefixes."""
    one = evolve(FULL, instance="ab", workflow="c", key="k", actor=None)
    two = evolve(FULL, instance="a", workflow="bc", key=None, actor="k")
    assert record_digest(one) != record_digest(two)


ORIGIN = st.tuples(TEXT, TEXT, st.binary(max_size=8))


@given(ORIGIN, ORIGIN)
def test_genesis_tells_instances_workflows_and_secrets_apart(
    one: tuple[str, str, bytes], two: tuple[str, str, bytes]
) -> None:
    assert (genesis(*one) == genesis(*two)) == (one == two)


def test_head_hash_depends_on_every_part() -> None:
    parts = (b"p" * 32, b"d" * 32, b"image")
    changed = [head_hash(b"x" * 32, *parts[1:]), head_hash(parts[0], b"x" * 32, parts[2]), head_hash(*parts[:2], b"x")]
    assert len({head_hash(*parts), *changed}) == 4


def test_seal_depends_on_previous_place_order_and_number_of_rows() -> None:
    a, b, zero = b"a" * 32, b"b" * 32, bytes(32)
    seals = [
        seal_of(zero, 1, (a, b)),
        seal_of(a, 1, (a, b)),
        seal_of(zero, 2, (a, b)),
        seal_of(zero, 1, (b, a)),
        seal_of(zero, 1, (a,)),
        seal_of(zero, 1, (a, b, b)),
    ]
    assert len(set(seals)) == len(seals)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_integer_beyond_64_bits_is_no_record(value: int) -> None:
    with pytest.raises(struct.error):
        record_digest(evolve(FULL, version=value))


def test_head_of_a_draft_repeats_its_record() -> None:
    draft = Draft(FULL, b"p" * 32, b"d" * 32, b"h" * 32, b"image", "sold", b"s" * 16, "chart")
    assert asdict(draft.head()) == {
        "instance": "o-42",
        "workflow": "Order",
        "version": 2,
        "configuration": FULL.after,
        "fingerprint": FULL.fingerprint,
        "revision": 1,
        "epoch": 3,
        "incarnation": 4,
        "secret": b"s" * 16,
        "time": FULL.time,
        "outcome": "sold",
        "hash": b"h" * 32,
        "previous_hash": b"p" * 32,
        "record_digest": b"d" * 32,
        "image": b"image",
        "quarantine": None,
    }
