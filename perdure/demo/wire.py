"""What the child tells its parent: one line each, fields parted by spaces, short enough for a pipe to keep it whole."""

from attrs import frozen

__all__ = ["Acknowledged", "Opened", "heard"]


@frozen
class Opened:
    """A child has opened the file and judged what it found."""

    unclean: int  # processes that were gone without closing it
    judged: int  # orders that had not ended
    usable: int  # of them, how many may go on

    def line(self) -> str:
        """Return it as it is sent."""
        return f"opened {self.unclean} {self.judged} {self.usable}\n"


@frozen
class Acknowledged:
    """A transition is durable, says the child: `send` returned it."""

    step: int
    order: str
    version: int
    event: str
    hash: str
    replayed: bool
    after: str

    def line(self) -> str:
        """Return it as it is sent."""
        told = (self.step, self.order, self.version, self.event, self.hash, int(self.replayed), self.after)
        return f"done {' '.join(str(one) for one in told)}\n"


def heard(line: str) -> Opened | Acknowledged:
    """Read a line. Raises ValueError for one that is none of ours. Pure."""
    word, *fields = line.split()
    if word == "opened":
        unclean, judged, usable = fields
        return Opened(int(unclean), int(judged), int(usable))
    if word != "done":
        raise ValueError(f"the child said {line!r}")
    step, order, version, event, digest, replayed, after = fields
    return Acknowledged(int(step), order, int(version), event, digest, replayed == "1", after)
