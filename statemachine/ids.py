"""Making ids: UUIDs of version 7 (RFC 9562), which sort by the time they were made."""

__all__ = ["RANDOM_BITS", "uuid7"]

RANDOM_BITS = 74  # what a UUID of version 7 leaves to chance


def uuid7(milliseconds: int, random_bits: int) -> str:
    """Return the UUID of a time since 1970 UTC and of 74 random bits. Pure."""
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | (random_bits >> 62) & 0xFFF
    low = 0x2 << 62 | random_bits & 0x3FFF_FFFF_FFFF_FFFF
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
