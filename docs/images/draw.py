"""Run a command on a terminal of its own and draw its last screen as SVG.

    python docs/images/draw.py perdure demo --seed 42 > docs/images/demo.svg

The picture names no font that must be there: each piece of text is given the width of its columns. It is a dark panel,
so that it reads on a light page and on a dark one. `record` and `Screen` also serve tests/test_demo.py.
"""  # noqa: INP001  # a script, not a package

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import NamedTuple

COLUMNS, LINES = 80, 40
CELL, LINE, PAD = 8.4, 19, 18  # pixels: a column at 14 px, a line, the border
COLOURS = {"31": "#ff7b72", "32": "#56d364", "33": "#e3b341", "36": "#76e3ea"}
TEXT, DIM, PANEL = "#e6edf3", "#8b949e", "#161b22"
BLOCKS = {"█": 1.0, "░": 0.25}  # drawn as rectangles: fonts leave gaps between them
WORDS = re.compile(r"\S+(?: \S+)*")  # what is more than one space apart has a place of its own
TOKENS = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Cell(NamedTuple):
    """One sign and how it is shown: SGR codes in order of their numbers."""

    sign: str = " "
    codes: tuple[str, ...] = ()


class Screen:
    """A terminal as far as our own output needs one: text, colour, up, erase to the end of the line."""

    def __init__(self) -> None:
        self.lines: list[list[Cell]] = [[]]
        self._row = self._column = 0
        self._codes: tuple[str, ...] = ()

    def feed(self, text: str) -> "Screen":
        """Take what a program wrote. Raises ValueError for a sequence that is not known."""
        for match in TOKENS.finditer(text):
            argument, command, move, run = match.groups()
            if run:
                self._put(run)
            elif move:
                self._move(move)
            else:
                self._control(argument, command)
        return self

    def _put(self, run: str) -> None:
        line = self.lines[self._row]
        line += [Cell()] * (self._column - len(line))
        line[self._column : self._column + len(run)] = [Cell(sign, self._codes) for sign in run]
        self._column += len(run)

    def _move(self, sign: str) -> None:
        if sign == "\r":
            self._column = 0
            return
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append([])

    def _control(self, argument: str, command: str) -> None:
        if command == "m":
            self._codes = () if argument in {"", "0"} else tuple(sorted({*self._codes, *argument.split(";")}))
        elif command == "A":
            self._row = max(0, self._row - int(argument or 1))
        elif command == "K":
            del self.lines[self._row][self._column :]
        elif (argument, command) not in {("?25", "l"), ("?25", "h")}:
            raise ValueError(f"ESC [ {argument} {command} is not known here")

    def text(self, *, codes: bool) -> str:
        """Return the screen as text; `codes` shows colours as <32>."""
        return "".join("".join(_shown(line, codes=codes)).rstrip() + "\n" for line in self.lines).rstrip("\n") + "\n"


def _shown(line: list[Cell], *, codes: bool) -> list[str]:
    shown: list[str] = []
    for style, cells in groupby(line, key=lambda cell: cell.codes):
        text = "".join(cell.sign for cell in cells)
        shown.append(f"<{';'.join(style)}>{text}<>" if codes and style else text)
    return shown


def record(
    command: Sequence[str], *, environment: Mapping[str, str], columns: int = COLUMNS, lines: int = LINES
) -> tuple[str, int]:
    """Run a command on a terminal of that size; return what it wrote, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with subprocess.Popen(  # noqa: S603  # the command is what this script was asked to run
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        written = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return written.decode(), process.returncode


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # Linux says EIO, others an empty read, once nobody holds the other side
        return b""


def svg(screen: Screen, title: str) -> str:
    """Return the picture of a screen. Pure."""
    width, height = round(COLUMNS * CELL + 2 * PAD), len(screen.lines) * LINE + 2 * PAD
    shapes = [shape for row, line in enumerate(screen.lines) for shape in _line(row, line)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            f"<title>{escape(title)}</title>",
            "<style>text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }",
            "</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{PANEL}"/>',
            *shapes,
            "</svg>\n",
        ]
    )


def _line(row: int, line: list[Cell]) -> list[str]:
    shapes: list[str] = []
    column = 0
    for (codes, block), cells in groupby(line, key=lambda cell: (cell.codes, BLOCKS.get(cell.sign))):
        text = "".join(cell.sign for cell in cells)
        x, top, width = PAD + column * CELL, PAD + row * LINE, len(text) * CELL
        column += len(text)
        colour = next((COLOURS[code] for code in codes if code in COLOURS), DIM if "2" in codes else TEXT)
        if block is not None:
            place = f'x="{x:.1f}" y="{top + 3}" width="{width:.1f}" height="{LINE - 6}"'
            shapes.append(f'<rect {place} fill="{colour}" opacity="{block}"/>')
        pieces = WORDS.finditer(text) if block is None else ()
        bold = "1" in codes
        shapes += [_text(one[0], x=x + one.start() * CELL, y=top + 14, fill=colour, bold=bold) for one in pieces]
    return shapes


def _text(text: str, *, x: float, y: int, fill: str, bold: bool) -> str:
    place = f'x="{x:.1f}" y="{y}" textLength="{len(text) * CELL:.1f}"'
    weight = ' font-weight="bold"' if bold else ""
    return f'<text {place} fill="{fill}"{weight}>{escape(text)}</text>'


def main(command: Sequence[str]) -> int:
    """Draw what a command leaves on the screen."""
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    written, code = record(command, environment=environment)
    typed = f"\x1b[2m$\x1b[0m \x1b[1m{' '.join(command)}\x1b[0m\r\n"
    screen = Screen().feed(typed + written.rstrip())
    sys.stdout.write(svg(screen, " ".join(command)))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
