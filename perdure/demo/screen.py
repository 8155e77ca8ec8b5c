"""What one sees of a run: a table redrawn in place on a terminal; elsewhere a line for each kill, then the table.

Nothing is wider than 80 columns. Colour is left out where NO_COLOR is set or the terminal is a dumb one; where the
stream cannot write our signs, ASCII stands for them. A frame is written with one call, each line erasing what it does
not cover, so that nothing flickers.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping
from typing import TextIO

import click
from attrs import frozen

from perdure.demo.parent import Death, Run
from perdure.demo.script import CrashPoint

__all__ = ["Live", "Look", "Plain", "look_of", "rows", "screen_of"]

WIDTH = 78
BAR = 40
FRAME_LINES = len(CrashPoint) + 6
FRAME_SECONDS = 0.04  # a redraw costs more than a transition: not more than 25 of them a second
SIGNS = "█░·"
STATES = ("cart", "review", "charging", "fulfil", "shipped", "cancelled")
ERASE, HIDE, SHOW = "\x1b[K", "\x1b[?25l", "\x1b[?25h"


@frozen
class Look:
    """What a stream can show."""

    colour: bool
    signs: bool  # █ and its like
    encoding: str = "utf-8"

    def paint(self, text: str, *, fg: str | None = None, bold: bool | None = None, dim: bool | None = None) -> str:
        """Return the text in colour, where there is colour."""
        return click.style(text, fg=fg, bold=bold, dim=dim) if self.colour and (fg or bold or dim) else text

    def write(self, out: TextIO, text: str) -> None:
        """Write a text, with a question mark for what the stream has no sign for."""
        plain = text if self.signs else text.replace("·", "-")
        out.write(plain.encode(self.encoding, "replace").decode(self.encoding))
        out.flush()


def look_of(out: TextIO, environment: Mapping[str, str]) -> Look:
    """Return what a stream can show."""
    encoding: str = getattr(out, "encoding", None) or "utf-8"
    try:
        signs = bool(SIGNS.encode(encoding))
    except UnicodeEncodeError:
        signs = False
    colour = _is_terminal(out, environment) and not environment.get("NO_COLOR")
    return Look(colour, signs, encoding)


def screen_of(out: TextIO, environment: Mapping[str, str]) -> "Plain | Live":
    """Return the screen for a stream: live where a table fits on a terminal, plain lines elsewhere."""
    look = look_of(out, environment)
    return Live(out, look) if _is_terminal(out, environment) and _fits(out) else Plain(out, look)


def _fits(out: TextIO) -> bool:
    """Whether a frame fits: one that wraps or scrolls cannot be redrawn in place. A size of 0 is not known."""
    try:
        size = os.get_terminal_size(out.fileno())
    except OSError:
        return False
    return not 0 < size.columns <= WIDTH and not 0 < size.lines <= FRAME_LINES


def _is_terminal(out: TextIO, environment: Mapping[str, str]) -> bool:
    return out.isatty() and environment.get("TERM") != "dumb"


class Plain:
    """Lines, one after the other; nothing is taken back."""

    def __init__(self, out: TextIO, look: Look) -> None:
        self.out = out
        self.look = look

    def say(self, text: str) -> None:
        """Write one line."""
        self.look.write(self.out, f"{text}\n")

    def progressed(self, run: Run) -> None:
        """Say nothing: a line for each event would be too many."""

    def killed(self, run: Run) -> None:
        """Say nothing until it is known what came of it."""

    def resumed(self, run: Run, death: Death, /) -> None:
        """Write one line for a kill that was survived."""
        number = f"kill {len(run.deaths):>2}/{len(run.script.kills)} at event {death.kill.step + 1:>3}"
        found = "in file" if death.is_committed else "not in file"
        self.say(f"{number}  {death.kill.point.value:<31}  {found}, {_answer(death)}")

    def finish(self, run: Run) -> None:
        """Write the final table."""
        self.say("\n".join(["", *rows(run, self.look)]))

    def close(self) -> None:
        """Leave the stream as it was."""


class Live(Plain):
    """A table on a terminal, redrawn in place."""

    def __init__(self, out: TextIO, look: Look) -> None:
        super().__init__(out, look)
        self._drawn = 0  # lines of the frame that stands there
        self._next = 0.0

    def progressed(self, run: Run) -> None:
        """Redraw, if the last frame stood long enough to be seen."""
        if time.monotonic() >= self._next:
            self._draw(run)

    def killed(self, run: Run) -> None:
        """Redraw: this frame stands until the next child is up."""
        self._draw(run)

    def resumed(self, run: Run, _death: Death, /) -> None:
        """Redraw: a number has changed."""
        self._draw(run)

    def finish(self, run: Run) -> None:
        """Draw the final frame and leave it."""
        self._draw(run)
        self.close()

    def close(self) -> None:
        """Give the cursor back."""
        if self._drawn:
            self.look.write(self.out, SHOW)
        self._drawn = 0

    def _draw(self, run: Run) -> None:
        frame = ["", *rows(run, self.look)]
        back = f"\x1b[{self._drawn}A\r" if self._drawn else HIDE
        self.look.write(self.out, back + "".join(f"{line}{ERASE}\n" for line in frame))
        self._drawn = len(frame)
        self._next = time.monotonic() + FRAME_SECONDS


def rows(run: Run, look: Look) -> list[str]:
    """Return the table of a run, line by line. Pure."""
    head = f"  {'killed':<33}{'kills':>7}{'in the file':>13}{'replayed':>11}{'run again':>12}"
    deaths = [(point, [death for death in run.deaths if death.kill.point is point]) for point in CrashPoint]
    table = [_row(point.value, found, look) for point, found in deaths]
    total = _row("all", run.deaths, look)
    return [look.paint(head, dim=True), *table, total, "", _progress(run, look), _orders(run, look)]


def _row(name: str, deaths: list[Death], look: Look) -> str:
    numbers = (
        (7, len(deaths), None),
        (13, sum(death.is_committed for death in deaths), "green"),
        (11, sum(death.replayed is True for death in deaths), "green"),
        (12, sum(death.replayed is False for death in deaths), "yellow"),
    )
    cells = (
        look.paint(f"{number or '·':>{width}}", fg=colour if number else None, dim=not number or None)
        for width, number, colour in numbers
    )
    return f"  {name:<33}{''.join(cells)}"


def _progress(run: Run, look: Look) -> str:
    done, total = len(run.acknowledged), len(run.script.steps)
    full = BAR * done // total
    signs = SIGNS if look.signs else "#."
    bar = look.paint(signs[0] * full, fg="cyan") + look.paint(signs[1] * (BAR - full), dim=True)
    return f"  events  {bar}  {done:>3}/{total}"


def _orders(run: Run, look: Look) -> str:
    where = {told.order: told.after.partition(".")[0] for told in run.acknowledged}
    counts = Counter(where.values())
    shown = (
        look.paint(f"{state} {counts[state]:>2}", bold=bool(counts[state]) or None, dim=not counts[state] or None)
        for state in STATES
    )
    return f"  orders  {'  '.join(shown)}"


def _answer(death: Death) -> str:
    return "replayed" if death.replayed else "run again"
