"""Every bound of the engine, with its reason."""

from attrs import fields, frozen

from statemachine._codec.scalars import shown
from statemachine.errors import DefinitionError

__all__ = ["BYTES_MAX", "COUNT_MAX", "DAYS_MAX", "PATCHES_MAX", "WHOLE_BYTES_MAX", "Limits"]

BYTES_MAX = 1 << 26  # what a limit of bytes may be: larger values are read and written whole, and belong elsewhere
DAYS_MAX = 36_500  # a century: nobody sends again after it
COUNT_MAX = 1_000_000  # of anything else: it is in memory, or waits for one thread

WHOLE_BYTES_MAX = 256  # data that each journal body holds whole: a patch would save less than it costs to find
PATCHES_MAX = (
    250  # rows after a whole image: loading an instance, or an old key, folds at most so many, in milliseconds
)


@frozen
class Limits:
    """Bounds that an engine holds its callers to; sizes in bytes of the canonical encoding.

    Each is a whole number from 1 to `BYTES_MAX`, `DAYS_MAX` or `COUNT_MAX`. Raises DefinitionError (PD158).
    """

    event_bytes_max: int = 1 << 20  # a payload is a decision, not a document: refer to large things by name
    data_bytes_max: int = 1 << 22  # it is in memory, and encoded by each transition
    inline_bytes_max: int = 1 << 11  # data that each transition writes whole; larger data is written as it changed
    text_bytes_max: int = 1 << 10  # ids, keys, actors: they stand in indexes
    note_bytes_max: int = 1 << 14  # a remark that a person reads
    key_days: int = 30  # keys answer so long after their instance has ended: a retry does not come later
    heads_max: int = 10_000  # instances remembered between transitions; a miss costs one read
    calls_max: int = 10_000  # calls of `submit`, `asend` and `afire` that wait: at most seconds of work
    batch_max: int = 256  # transitions in one commit: beyond that a sync is no longer what one of them costs
    batch_ms_max: int = 50  # that a batch is decided for: other processes wait, and those behind slow callbacks
    unheard_max: int = 10_000  # transitions that wait for one subscriber: beyond that he does not follow
    snapshots_max: int = 16  # snapshots held at once: each keeps a connection, and the log from being reused

    def __attrs_post_init__(self) -> None:
        """Check every limit: one that compares wrongly with a number would be found in the middle of a batch."""
        for one in fields(type(self)):
            value, most = getattr(self, one.name), _most(one.name)
            if type(value) is not int or not 1 <= value <= most:
                raise DefinitionError(
                    "PD158",
                    f"Limits: {one.name}={shown(value)} is no limit: it is a whole number from 1 to {most:,}. "
                    f"Write one of these, or leave it out for the default, {one.default:,}.",
                )


def _most(name: str) -> int:
    if name.endswith("_days"):
        return DAYS_MAX
    return BYTES_MAX if name.endswith("_bytes_max") else COUNT_MAX
