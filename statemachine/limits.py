"""Every bound of the engine, with its reason."""

from attrs import frozen

__all__ = ["PATCHES_MAX", "WHOLE_BYTES_MAX", "Limits"]

WHOLE_BYTES_MAX = 256  # data that each journal body holds whole: a patch would save less than it costs to find
PATCHES_MAX = (
    250  # rows after a whole image: loading an instance, or an old key, folds at most so many, in milliseconds
)


@frozen
class Limits:
    """Bounds that an engine holds its callers to; sizes in bytes of the canonical encoding."""

    event_bytes_max: int = 1 << 20  # a payload is a decision, not a document: refer to large things by name
    data_bytes_max: int = 1 << 22  # it is in memory, and encoded by each transition
    inline_bytes_max: int = 1 << 11  # data that each transition writes whole; larger data is written as it changed
    text_bytes_max: int = 1 << 10  # ids, keys, actors: they stand in indexes
    note_bytes_max: int = 1 << 14  # a remark that a person reads
    key_days: int = 30  # keys answer so long after their instance has ended: a retry does not come later
    heads_max: int = 10_000  # instances remembered between transitions; a miss costs one read
    calls_max: int = 10_000  # calls of `submit`, `asend` and `afire` that wait: at most seconds of work
    batch_max: int = 256  # transitions in one commit: beyond that a sync is no longer what one of them costs
    unheard_max: int = 10_000  # transitions that wait for one subscriber: beyond that he does not follow
    snapshots_max: int = 16  # snapshots held at once: each keeps a connection, and the log from being reused
