"""The stored format cannot drift: golden vectors, and no two records are encoded alike."""

import struct
from hashlib import sha256
from typing import Any, ClassVar, cast

import pytest
from attrs import Attribute, asdict, evolve, fields
from hypothesis import example, given
from hypothesis import strategies as st

from persistence import records
from persistence.records import (
    Head,
    Record,
    digests,
    genesis,
    head_digest,
    head_hash,
    head_of,
    proof_of,
    record_digest,
    seal_of,
    stub_hash,
)

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

    seen: ClassVar[list[bytes]] = []

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.seen.append(data)

    def digest(self) -> bytes:
        return sha256(self.data).digest()


REST = ["event", "before", "key", "actor", "note", "token", "kind", "body"]
SHARED = ["instance", "workflow", "version", "fingerprint", "after", "revision", "epoch", "incarnation", "time"]


def decode(rest: bytes, record: bytes) -> Record:
    """Read a record's encoding back, by the words of the specification and none of the code that wrote it."""
    values, after = decode_part(rest, b"perdure-rest-1", REST)
    assert after == b""
    shared, after = decode_part(record, b"perdure-record-1", SHARED)
    assert after == sha256(rest).digest()
    return Record(**cast("dict[str, Any]", values | shared))


def decode_part(data: bytes, prefix: bytes, names: list[str]) -> tuple[dict[str, object], bytes]:
    """Read fields back, and what follows them."""
    assert data.startswith(prefix)
    place, values = len(prefix), dict[str, object]()
    for name in names:
        kind = TYPES[name]
        (length,) = struct.unpack_from(">I", data, place)
        place += 4
        if length == 0xFFFFFFFF:
            values[name] = None
            continue
        part, place = data[place : place + length], place + length
        if kind is int:
            assert length == 8
            values[name] = int.from_bytes(part, "big", signed=True)
        else:
            values[name] = part if kind is bytes else part.decode()
    return values, data[place:]


def encodings(record: Record) -> list[bytes]:
    """What is hashed for a record: its rest, then the record."""
    Spy.seen.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "sha256", Spy)
        record_digest(record)
    return list(Spy.seen)


def test_digest_of_a_record_is_the_recorded_one() -> None:
    assert record_digest(FULL).hex() == "3bfeb311f193c93c45b407964dcec3b1fcd9096fdda53b41207c8ab1d8614e0f"
    assert record_digest(BARE).hex() == "f749b2d3aba1d1d628413c35461fe4b204056ec20969fc784c7806dec2e928a8"


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


def test_encoding_of_a_record_is_the_recorded_one() -> None:
    record = evolve(BARE, instance="ä", workflow="W", fingerprint=b"F", event="E", after="s", token=b"", time=-1)
    rest, whole = encodings(record)
    assert rest.hex() == (
        "706572647572652d726573742d31000000014500000000ffffffffffffffffffffffff0000000000000008000000000000000100000000"
    )
    assert (
        whole.hex()
        == (
            "706572647572652d7265636f72642d3100000002c3a40000000157000000080000000000000001000000014600000001"
            "7300000008000000000000000100000008000000000000000300000008000000000000000400000008ffffffffffffff"
            "ff"
        )
        + sha256(rest).hexdigest()
    )


def test_every_field_is_hashed_once() -> None:
    assert sorted([*REST, *SHARED]) == sorted(FIELDS)


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
    assert decode(*encodings(record)) == record


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


def test_head_of_a_record_repeats_it() -> None:
    chained, digest = (b"h" * 32, b"p" * 32, b"d" * 32), sha256(b"image").digest()
    head = head_of(FULL, chained, (digest, b"image"), secret=b"s" * 16, outcome="sold")
    assert asdict(head) == {
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
        "rest_digest": b"d" * 32,
        "image_digest": sha256(b"image").digest(),
        "image": b"image",
        "patches": 0,
        "patched": 0,
        "quarantine": None,
    }
    head = head_of(FULL, chained, (digest, None), secret=b"s" * 16, outcome=None, patches=(3, 70))
    assert (head.image, head.image_digest) == (None, digest)
    assert (head.patches, head.patched) == (3, 70)


def standing(rest: bytes) -> Head:
    image = (sha256(b"image").digest(), b"image")
    return head_of(FULL, (b"h" * 32, b"p" * 32, rest), image, secret=b"s" * 16, outcome="sold")


def test_head_proves_its_columns_without_its_row() -> None:
    rest, digest = digests(FULL)
    head = standing(rest)
    assert head_digest(head) == digest
    for name in ("instance", "workflow", "version", "configuration", "fingerprint", "revision", "epoch", "time"):
        changes: dict[str, Any] = {name: OTHER[type(getattr(head, name))]}
        assert head_digest(evolve(head, **changes)) != digest


def test_stub_proves_the_hash_of_the_head_that_it_stands_for() -> None:
    rest, digest = digests(FULL)
    head = standing(rest)
    assert stub_hash(b"p" * 32, proof_of(head)) == head_hash(b"p" * 32, digest, b"image")
    assert stub_hash(b"q" * 32, proof_of(head)) != head_hash(b"p" * 32, digest, b"image")
