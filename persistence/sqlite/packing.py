"""Large values of the file are kept compressed: bodies of the journal, and images of named checkpoints.

A stored value is the bytes themselves, or a zlib stream of them. A zlib stream of ours begins with 0x78, so bytes that
begin with it are always compressed, and no column needs to say which it is. Hashes cover the bytes, never the stream.
"""

import zlib

from persistence.errors import Corrupt

__all__ = ["PACKED_BYTES_MIN", "UNPACKED_BYTES_MAX", "packed", "unpacked"]

PACKED_BYTES_MIN = 1_024  # below that a page is saved too rarely for its 20 µs
UNPACKED_BYTES_MAX = 1 << 26  # a damaged stream can tell of any size; more than any limit of an engine should admit
LEVEL = 1  # the higher ones take three times as long for a tenth less
FIRST = 0x78


def packed(value: bytes) -> bytes:
    """Return the bytes to be stored for a value. Pure."""
    is_taken = value.startswith(b"\x78")
    if not is_taken and not PACKED_BYTES_MIN <= len(value) <= UNPACKED_BYTES_MAX:
        return value
    stream = zlib.compress(value, LEVEL)
    return stream if is_taken or len(stream) < len(value) else value


def unpacked(stored: bytes) -> bytes:
    """Return the value of stored bytes. Pure.

    Raises Corrupt for a stream that is damaged, or of more than is ever packed.
    """
    if not stored or stored[0] != FIRST:
        return stored
    stream = zlib.decompressobj()
    try:
        value = stream.decompress(stored, UNPACKED_BYTES_MAX)
    except zlib.error as error:
        raise Corrupt(f"compressed bytes are damaged: {error}") from error
    if not stream.eof or stream.unused_data:
        reason = (
            "they go on after their end" if stream.eof else "they have no end, or are larger than any that was written"
        )
        raise Corrupt(f"compressed bytes are damaged: {reason}")
    return value
