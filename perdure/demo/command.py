"""`perdure demo`: play a script under kills, judge what is left, say how it went and what to try next."""

import os
import signal
import sys
import textwrap
import time
from collections import Counter
from typing import TextIO

import click
from attrs import frozen

from perdure.demo.evidence import gather
from perdure.demo.judge import Finding, Kind, judge
from perdure.demo.next import commands, repeats
from perdure.demo.parent import ChildError, Run, play
from perdure.demo.place import KEPT, Place, TakenError
from perdure.demo.screen import WIDTH, Live, Plain, screen_of
from perdure.demo.script import Script, drawn_seed, script_of
from persistence import StoreError

__all__ = ["run"]

FINE, FOUND, USAGE, INTERRUPTED = 0, 1, 2, 130
FINDINGS_MAX = 12  # what one fault breaks it breaks often: the first few tell it


@frozen
class Verdict:
    """How a run ended."""

    run: Run
    findings: tuple[Finding, ...]
    seconds: float

    def count(self, kind: Kind) -> int:
        """Return how many findings are of a kind."""
        return Counter(finding.kind for finding in self.findings)[kind]

    @property
    def is_as_planted(self) -> bool:
        """Whether exactly the planted loss was found."""
        return self.run.forgets and [finding.kind for finding in self.findings] == [Kind.LOST]


def run(
    *,
    seed: int | None = None,
    keep: bool = False,
    break_: bool = False,
    path: str | None = None,
    out: TextIO | None = None,
) -> int:
    """Run the demo and return the exit code: 0 fine, 1 something was found, 2 the file is there, 130 interrupted.

    `seed` repeats a run: the same events and the same kills. `keep` keeps the file as `path`, by default
    ./perdure-demo.db; naming a `path` keeps it too. `break_` plants a lost transition, which must be found.
    """
    if not hasattr(signal, "SIGKILL"):
        click.echo("perdure demo kills processes with SIGKILL, which this system does not have.", err=True)
        return USAGE
    try:
        place = Place(path or (KEPT if keep else None))
    except TakenError as error:
        click.echo(str(error), err=True)
        return USAGE
    stream = sys.stdout if out is None else out
    screen = screen_of(stream, os.environ)
    try:
        return _run(script_of(drawn_seed() if seed is None else seed), place, screen, forgets=break_)
    except KeyboardInterrupt:
        screen.close()
        screen.say("\nInterrupted; the child was ended and its file removed.")
        return INTERRUPTED
    finally:
        place.leave()
        screen.close()


def _run(script: Script, place: Place, screen: Plain, *, forgets: bool) -> int:
    started = time.monotonic()
    run = Run(script, place.path, forgets)
    _open(run, screen)
    try:
        play(run, screen)
        screen.finish(run)
        found = judge(gather(run))
        if forgets and not any(finding.kind is Kind.LOST for finding in found):
            found.append(Finding(Kind.WRONG, "a lost transition was planted, and the judge did not see it"))
    except (ChildError, StoreError) as error:
        screen.close()
        found = [Finding(Kind.WRONG, str(error))]
    verdict = Verdict(run, tuple(found), time.monotonic() - started)
    place.settle(is_evidence=bool(found) and not verdict.is_as_planted)
    _close(verdict, place, screen)
    return FOUND if found else FINE


def _open(run: Run, screen: Plain) -> None:
    script, paint = run.script, screen.look.paint
    numbers = f"seed {script.seed}, {len(script.orders)} orders, {len(script.steps)} events, {len(script.kills)} kills"
    screen.say(f"{paint('perdure demo', bold=True)}  {numbers}")
    screen.say(f"{'':14}killed with SIGKILL and started again, on one real SQLite file")
    if run.forgets:
        lost = script.steps[script.lost]
        planted = f"planted: the commit of event {lost.number + 1} ({lost.order} {lost.name}) is left out"
        screen.say(f"{'':14}{paint(planted, fg='yellow')}")
    if not isinstance(screen, Live):
        screen.say("")


def _close(verdict: Verdict, place: Place, screen: Plain) -> None:
    screen.say("")
    for finding in verdict.findings[:FINDINGS_MAX]:
        _show(finding, screen)
    if len(verdict.findings) > FINDINGS_MAX:
        screen.say(f"and {len(verdict.findings) - FINDINGS_MAX} more")
    if verdict.findings:
        screen.say("")
    _sum(verdict, place, screen)
    if verdict.is_as_planted:
        screen.say("The planted loss was found, and nothing else: exit code 1, as it must be.")
    is_sound = verdict.is_as_planted or not verdict.findings
    screen.say("\nTry next:" if is_sound else "\nRepeat it, and look into the file:")
    for command in commands(verdict.run, place) if is_sound else repeats(verdict.run):
        screen.say(f"  {screen.look.paint(command, fg='cyan')}")


def _show(finding: Finding, screen: Plain) -> None:
    label = finding.kind.value.upper()
    text = f"{label}  {finding.text}"
    lines = textwrap.wrap(text, WIDTH, subsequent_indent=" " * (len(label) + 2), break_long_words=False)
    screen.say("\n".join([screen.look.paint(label, fg="red", bold=True) + lines[0][len(label) :], *lines[1:]]))


def _sum(verdict: Verdict, place: Place, screen: Plain) -> None:
    """Write the closing line; on a terminal, where both would not fit, the path has one of its own."""
    counts = (
        f"{len(verdict.run.acknowledged)} transitions acknowledged",
        f"{len(verdict.run.deaths)} kills",
        f"{verdict.count(Kind.LOST)} lost",
        f"{verdict.count(Kind.TWICE)} applied twice",
        *([f"{verdict.count(Kind.WRONG)} wrong"] if verdict.count(Kind.WRONG) else []),
        f"{verdict.seconds:.1f} s",
    )
    line = screen.look.paint(", ".join(counts), fg="red" if verdict.findings else "green", bold=True)
    parting = "\n" if isinstance(screen, Live) else "   "
    screen.say(f"{line}{parting}{place.path}{place.remark}")
