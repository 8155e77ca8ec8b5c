"""What is stored compressed comes back, and damage in it is refused, whatever it is."""

import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from persistence import Corrupt
from persistence.sqlite.packing import PACKED_BYTES_MIN, UNPACKED_BYTES_MAX, packed, unpacked


@given(st.binary(max_size=50) | st.binary(max_size=20).map(lambda part: part * 200))
@example(b"")
@example(b"x")
@example(b"x" * 9_000)
@example(b"{" * PACKED_BYTES_MIN)
def test_what_is_packed_comes_back(value: bytes) -> None:
    """Any bytes, also those that begin as a stream does; nothing gets longer but these."""
    stored = packed(value)
    assert unpacked(stored) == value
    assert len(stored) <= len(value) or value.startswith(b"x")


def test_what_is_short_or_does_not_compress_is_stored_as_it_is() -> None:
    """Both sides of the border."""
    short, long = b"{" * (PACKED_BYTES_MIN - 1), b"{" * PACKED_BYTES_MIN
    assert packed(short) == short
    assert len(packed(long)) < len(long)
    noise = b"{" + bytes(range(1, 256)) * 5
    stream = zlib.compress(noise, 1)
    assert packed(noise) == (stream if len(stream) < len(noise) else noise)


@pytest.mark.parametrize(
    "stored",
    [
        b"x",
        b"\x78\x9c",
        zlib.compress(b"{}" * 99)[:-1],
        zlib.compress(b"{}" * 99) + b"more",
        zlib.compress(bytes(UNPACKED_BYTES_MAX + 1)),
    ],
)
def test_damaged_stream_is_refused(stored: bytes) -> None:
    """Cut, gone on with, or of more bytes than are ever packed: a bomb costs no more than the largest value."""
    with pytest.raises(Corrupt, match="compressed bytes are damaged"):
        unpacked(stored)
