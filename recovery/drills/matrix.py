"""What a drill has covered: how often each rule was struck at each crash point, and in which way."""

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import define, field

from recovery.drills.points import CrashPoint, Disaster, Way

__all__ = ["START_ROW", "Matrix"]

START_ROW = "(start)"
NOTHING = "·"


@define
class Matrix:
    """Rule × crash point. A cell counts crashes in process + SIGKILLs."""

    rules: tuple[str, ...]  # in the order of the declaration
    struck: Counter[tuple[str, Disaster]] = field(factory=Counter[tuple[str, Disaster]])
    calm: Counter[str] = field(factory=Counter[str])
    rehearsals: int = 0
    acknowledged: int = 0
    disasters: Counter[Way] = field(factory=Counter[Way])
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

    def count(self, rule: str, point: CrashPoint, *ways: Way) -> int:
        """Return how often a rule was struck there, in one of these ways; in any of both by default."""
        return sum(self.struck[rule, Disaster(point, way)] for way in ways or (Way.DROP, Way.KILL))

    def uncovered(self) -> list[tuple[str, CrashPoint]]:
        """Return the cells that no crash has struck."""
        return [(rule, point) for rule in self._rows() for point in CrashPoint if not self.count(rule, point)]

    def _rows(self) -> tuple[str, ...]:
        return (START_ROW, *self.rules)

    def __str__(self) -> str:
        """Return it as a table, rules down and crash points across, and the sums under it."""
        head = ["rule", "no disaster", *(point.value for point in CrashPoint), "action raises"]
        table = [head, *(self._row(rule) for rule in self._rows())]
        widths = [max(len(row[column]) for row in table) for column in range(len(head))]
        crashes = self.disasters[Way.DROP] + self.disasters[Way.KILL]
        cells = len(self._rows()) * len(CrashPoint)
        return "\n".join(
            [
                *(_line(row, widths) for row in table),
                f"{self.rehearsals} rehearsals, {self.acknowledged} transitions acknowledged, {crashes} crashes "
                f"({self.disasters[Way.DROP]} in process + {self.disasters[Way.KILL]} SIGKILL), "
                f"{self.disasters[Way.RAISE]} actions raised",
                f"covered {cells - len(self.uncovered())} of {cells} cells; lost {self.lost}, doubled {self.doubled}",
            ]
        )

    def _row(self, rule: str) -> list[str]:
        crashed = [(self.count(rule, point, Way.DROP), self.count(rule, point, Way.KILL)) for point in CrashPoint]
        cells = [f"{drops}+{kills}" if drops or kills else NOTHING for drops, kills in crashed]
        raised = self.count(rule, CrashPoint.ACTION, Way.RAISE)
        return [rule, str(self.calm[rule]), *cells, str(raised or NOTHING)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *cells = (cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in _cells(row, widths))
    return "  ".join([name, *cells])


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterable[tuple[int, tuple[str, int]]]:
    return enumerate(zip(row, widths, strict=True))
