"""Every bound of the engine, with its reason."""

from attrs import frozen

__all__ = ["Limits"]


@frozen
class Limits:
    """Bounds that an engine holds its callers to; sizes in bytes of the canonical encoding."""

    event_bytes_max: int = 1 << 20  # a payload is a decision, not a document: refer to large things by name
    data_bytes_max: int = 1 << 22  # it is rewritten by each transition that changes it
    text_bytes_max: int = 1 << 10  # ids, keys, actors: they stand in indexes
    note_bytes_max: int = 1 << 14  # a remark that a person reads
    heads_max: int = 10_000  # instances remembered between transitions; a miss costs one read
    calls_max: int = 10_000  # calls of `submit`, `asend` and `afire` that wait: at most seconds of work
    batch_max: int = 256  # transitions in one commit: beyond that a sync is no longer what one of them costs
