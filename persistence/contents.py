"""What a store in memory holds: everything with the number of the commit that wrote it, so that one can be undone."""

from attrs import define, field

from persistence.records import Checkpoint, Head, KeyRecord, Quarantine, Row, Sealed, Stub

__all__ = ["Contents", "Written"]


@define
class Written:
    """One transition: its row, and the head as it was after it."""

    row: Row
    head: Head


@define
class Contents:
    """Everything that was written, each with the number of its commit; lists and dictionaries only grow."""

    commits: int = 0
    journals: dict[str, list[tuple[int, Written]]] = field(factory=dict[str, list[tuple[int, Written]]])
    keys: dict[tuple[str, str, str], tuple[int, KeyRecord]] = field(
        factory=dict[tuple[str, str, str], tuple[int, KeyRecord]]
    )
    lane: list[tuple[int, Sealed]] = field(factory=list[tuple[int, Sealed]])
    definitions: dict[bytes, tuple[int, str]] = field(factory=dict[bytes, tuple[int, str]])
    marks: dict[str, tuple[int, Quarantine]] = field(factory=dict[str, tuple[int, Quarantine]])
    stubs: dict[int, tuple[int, Stub]] = field(factory=dict[int, tuple[int, Stub]])  # by n; they hide their rows
    checkpoints: dict[tuple[str, str], tuple[int, Checkpoint]] = field(
        factory=dict[tuple[str, str], tuple[int, Checkpoint]]
    )  # by instance and label

    def undo(self, commit: int) -> None:
        """Take off what carries the number of a commit that did not happen."""
        while self.lane and self.lane[-1][0] == commit:
            self.lane.pop()
        for instance, written in list(self.journals.items()):
            while written and written[-1][0] == commit:
                written.pop()
            if not written:
                del self.journals[instance]
        self.keys = {name: value for name, value in self.keys.items() if value[0] != commit}
        self.definitions = {name: value for name, value in self.definitions.items() if value[0] != commit}
        self.marks = {name: value for name, value in self.marks.items() if value[0] != commit}
        self.stubs = {n: value for n, value in self.stubs.items() if value[0] != commit}
        self.checkpoints = {name: value for name, value in self.checkpoints.items() if value[0] != commit}
