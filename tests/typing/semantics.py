"""Histories, several targets, deferred events and failures: sound programs, with no ignore."""

from typing import assert_type

from attrs import define, frozen

from statemachine import (
    ANY,
    Compound,
    Cursor,
    Engine,
    Failed,
    Final,
    History,
    Parallel,
    State,
    Workflow,
    always,
    done,
    enter,
    on,
    on_error,
)


@frozen
class Play:
    song: str = ""


@frozen
class Pause: ...


@define
class Heard:
    songs: int = 0
    failed: str = ""


class Player(Workflow[Heard], revision=1):
    """Each of them once, and each in the form that allows the most."""

    idle = State(initial=True, defer=(Pause,))

    class power(Parallel, defer=(Play,)):
        class song(Compound):
            first = State(initial=True)
            second = State(tags=("loud",), defer=(Play, Pause))
            last = Final()
            again = History(to=first)

        class sound(Compound):
            low = State(initial=True)
            high = Final()

        back = History(to=(song.second, sound.low), deep=True)

    over = Final(outcome="heard")

    def has_failed(self) -> bool:
        return bool(self.data.failed)

    @on(Play, idle, to=power.back)
    def play(self, event: Play) -> None:
        self.data.songs += len(event.song)

    @on(Pause, power, to=idle)
    def pause(self, event: Pause) -> None: ...

    @on((Play, Pause), power.sound.low, to=(power.song.again, power.sound.high), reenter=True)
    def jump(self, event: Play | Pause) -> None: ...

    @always(power.song.first, to=(power.song.last, power.sound), when=has_failed)
    def skip(self) -> None: ...

    @done(power, to=over)
    def finish(self) -> None: ...

    @enter(power, power.song, idle)
    def note_it(self) -> None:
        self.raise_(Pause())

    @on_error(power.song, power.sound.low, to=power.back)
    def resume(self, event: Failed) -> None:
        self.data.failed = event.text

    @on_error(ANY, to=None)
    def tell_it(self, event: Failed) -> None:
        self.data.failed = f"{event.type} in {event.event}"


class Quiet(Player, revision=1):
    """A subclass replaces a history, and redefines what handles a failure."""

    class power(Player.power):
        class song(Player.power.song):
            again = History(to=Player.power.song.first, deep=True)

    @on_error(Player.power.song, to=Player.idle)
    def resume(self, event: Failed) -> None:
        super().resume(event)


def callers(path: str) -> None:
    """What failed is a text or None, wherever it is asked."""
    with Engine(path, Player) as engine:
        done_ = engine.start(Player).send(Play("x"))
        assert_type(done_.error, str | None)
        assert_type(Cursor(Player, Heard()).send(Play()).error, str | None)


def unit_tests() -> None:
    """A rule for failures is a method, and takes what any program can make."""
    Player(Heard()).resume(Failed("ValueError", "grit", "Play"))
