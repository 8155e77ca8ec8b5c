"""What a drill has covered: how often each rule was struck at each crash point, and in which way."""

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import define, field

from recovery.drills.points import CrashPoint, Disaster, Way

__all__ = ["START_ROW", "Matrix"]

START_ROW = "(start)"
NOTHING = "·"
RAISED_SHOWN_MAX = 5  # kinds of errors, the most frequent first


@define
class Matrix:
    """Rules and crash points. A cell counts crashes in process + SIGKILLs."""

    rules: tuple[str, ...]  # in the order of the declaration
    starts_act: bool = field(default=True, kw_only=True)  # a start runs actions, in which something can strike
    struck: Counter[tuple[str, Disaster]] = field(factory=Counter[tuple[str, Disaster]])
    calm: Counter[str] = field(factory=Counter[str])
    rehearsals: int = 0
    acknowledged: int = 0
    disasters: Counter[Way] = field(factory=Counter[Way])
    raised: Counter[str] = field(factory=Counter[str])  # what was raised without the drill's doing, in both runs
    texts: dict[str, str] = field(factory=dict[str, str])  # the first text of each
    lost: int = 0
    doubled: int = 0

    def note(self, called: Iterable[str], disaster: Disaster | None) -> None:
        """Count one step by the rules whose actions it ran; none of them is a start."""
        rows = set(called) & set(self.rules) or {START_ROW}
        for row in rows:
            if disaster is None:
                self.calm[row] += 1
            else:
                self.struck[row, Disaster(disaster.point, disaster.way)] += 1

    def note_raised(self, what: str, text: str) -> None:
        """Count an error that was not planned; texts of one kind may all differ."""
        self.raised[what] += 1
        self.texts.setdefault(what, text)

    def count(self, rule: str, point: CrashPoint, *ways: Way) -> int:
        """Return how often a rule was struck there, in one of these ways; in any of both by default."""
        return sum(self.struck[rule, Disaster(point, way)] for way in ways or (Way.DROP, Way.KILL))

    def uncovered(self) -> list[tuple[str, CrashPoint]]:
        """Return the cells that no crash has struck."""
        return [cell for cell in self._cells() if not self.count(*cell)]

    def _cells(self) -> list[tuple[str, CrashPoint]]:
        """Return what can be covered."""
        cells = [(rule, point) for rule in self._rows() for point in CrashPoint]
        return cells if self.starts_act else [cell for cell in cells if cell != (START_ROW, CrashPoint.ACTION)]

    def _rows(self) -> tuple[str, ...]:
        return (START_ROW, *self.rules)

    def __str__(self) -> str:
        """Return it as a table, rules down and crash points across, and the sums under it."""
        head = ["rule", "no disaster", *(point.value for point in CrashPoint), "action raises"]
        table = [head, *(self._row(rule) for rule in self._rows())]
        widths = [max(len(row[column]) for row in table) for column in range(len(head))]
        crashes = self.disasters[Way.DROP] + self.disasters[Way.KILL]
        cells = len(self._cells())
        ways = f"{self.disasters[Way.DROP]} in process + {self.disasters[Way.KILL]} SIGKILL"
        covered = cells - len(self.uncovered())
        lines = [
            *(_line(row, widths) for row in table),
            f"{self.rehearsals} rehearsals, {self.acknowledged} transitions acknowledged",
            f"{crashes} crashes ({ways}), {self.disasters[Way.RAISE]} actions raised",
            f"covered {covered} of {cells} cells; lost {self.lost}, doubled {self.doubled}",
            *(f"{what} {count} times: {self.texts[what]}" for what, count in self.raised.most_common(RAISED_SHOWN_MAX)),
        ]
        return "\n".join(lines)

    def _row(self, rule: str) -> list[str]:
        crashed = [(self.count(rule, point, Way.DROP), self.count(rule, point, Way.KILL)) for point in CrashPoint]
        cells = [f"{drops}+{kills}" if drops or kills else NOTHING for drops, kills in crashed]
        raised = self.count(rule, CrashPoint.ACTION, Way.RAISE)
        return [rule, str(self.calm[rule]), *cells, str(raised or NOTHING)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *cells])
