"""What regions remember is part of where an instance stands: stored, hashed, judged, and there again after a crash."""

from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL

import pytest
from attrs import evolve, frozen

import recovery
from persistence import MemoryStore, SQLiteStore, Store
from persistence.records import Draft, Head, digests, head_hash
from persistence.records import head_of as standing
from recovery import verify
from statemachine import Compound, Cursor, Engine, History, Instance, Parallel, Refused, State, Workflow, check, on
from statemachine.loading import configuration_of, configuration_text, memory_of
from statemachine.workflow import definition_of
from tests.children import run_child

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: SQLiteStore(folder / "player.db"),
}


@frozen
class Next: ...


@frozen
class Louder: ...


@frozen
class Off: ...


@frozen
class On:
    deep: bool = True


class Player(Workflow[None], revision=1):
    """Can be turned off, and goes on where it was."""

    off = State(initial=True)

    class power(Parallel):
        class song(Compound):
            first = State(initial=True)
            second = State()
            again = History(to=first)

        class sound(Compound):
            low = State(initial=True)
            high = State()

        back = History(to=song.first, deep=True)

    def is_deep(self, event: On) -> bool:
        return event.deep

    @on(On, off, to=power.back, when=is_deep)
    def resume(self, event: On) -> None: ...

    @on(On, off, to=(power.song.again, power.sound.high))
    def wake(self, event: On) -> None: ...

    @on(Next, power.song.first, to=power.song.second)
    def next(self, event: Next) -> None: ...

    @on(Louder, power.sound.low, to=power.sound.high)
    def louder(self, event: Louder) -> None: ...

    @on(Off, power, to=off)
    def turn_off(self, event: Off) -> None: ...


REMEMBERED = "off|power=power.song.second,power.sound.low|power.song=power.song.second"


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path)
    yield made
    made.close()


def turned_off(engine: Engine) -> Instance[Player, None]:
    """A player that was in its second song, and is off."""
    player = engine.start(Player, id="p")
    for event in (On(), Next(), Off()):
        player.send(event)
    return player


def head_of(store: Store) -> Head:
    with store.reader() as reader:
        head = reader.head("p")
    assert head is not None
    return head


# -- in memory and stored ----------------------------------------------------------------------------------------------


def test_a_cursor_goes_on_where_it_was() -> None:
    cursor = Cursor(Player, None).send(On()).send(Next()).send(Off())

    assert cursor.configuration == ("off",)
    assert cursor.send(On()).configuration == ("power.song.second", "power.sound.low")
    assert cursor.send(Off()).send(On(deep=False)).configuration == ("power.song.second", "power.sound.high")


def test_an_event_that_fails_does_not_change_what_is_remembered() -> None:
    class Faulty(Player, revision=1):
        def turn_off(self, event: Off) -> None:
            _ = 1 // 0

    cursor = Cursor(Faulty, None).send(On()).send(Next())

    with pytest.raises(ZeroDivisionError):
        cursor.send(Off())
    assert cursor._memory == ()


def test_it_stands_in_record_head_and_view_and_not_in_the_configuration(store: Store) -> None:
    engine = Engine(store, Player)
    player = turned_off(engine)

    assert (player.state, player.configuration) == ("off", ("off",))
    assert [(one.before, one.after) for one in player.history()][-1] == (
        ("power.song.second", "power.sound.low"),
        ("off",),
    )
    assert head_of(store).configuration == REMEMBERED
    last = player.send(On())
    assert (last.before, last.after) == (("off",), ("power.song.second", "power.sound.low"))
    with store.reader() as reader:
        assert [row.record.before for row in reader.journal("p")][-1] == REMEMBERED


def test_an_offer_knows_where_a_history_leads(store: Store) -> None:
    (offer,) = (one for one in turned_off(Engine(store, Player)).offers() if one["event"] == "On")

    assert offer["to"] == [["power.song.second", "power.sound.low"], ["power.song.second", "power.sound.high"]]


def test_a_second_engine_goes_on_where_the_first_was_left(store: Store) -> None:
    turned_off(Engine(store, Player))

    player = Engine(store, Player).get(Player, "p")

    assert player.send(On(), key="k").after == ("power.song.second", "power.sound.low")
    assert player.send(On(), key="k").replayed


def test_a_kill_between_leaving_and_entering_again_loses_nothing(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from statemachine import Engine\n"
        "from tests.test_remembered import Player, turned_off\n"
        "turned_off(Engine(sys.argv[1], Player)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert run_child(script, tmp_path / "player.db") == (-SIGKILL, "")

    with recovery.open(tmp_path / "player.db", Player) as engine:
        player = engine.get(Player, "p")
        assert head_of(engine.store).configuration == REMEMBERED
        assert player.send(On()).after == ("power.song.second", "power.sound.low")


# -- its text ----------------------------------------------------------------------------------------------------------


def test_a_text_is_read_in_one_place_and_comes_back_as_it_was() -> None:
    memory = (("power", ("power.song.second", "power.sound.low")), ("power.song", ("power.song.second",)))

    assert configuration_text(("off",), memory=memory) == REMEMBERED
    assert (configuration_of(REMEMBERED), memory_of(REMEMBERED)) == (("off",), memory)
    assert (configuration_text(()), configuration_of(""), memory_of("")) == ("", (), ())


# texts that nobody wrote, and what is wrong with them
EMPTY = "what 'power.song' remembers: 'power.song' has 0 active children, expected 1"
TORN = [
    ("off|", "it remembers '': not each once a region with a history"),
    ("off|power.song", EMPTY),
    ("off|power.song=", EMPTY),
    ("off|power.song==power.song.first", "there is no state '=power.song.first' in 'power.song'"),
    ("off|power.song=power.song.first,", "there is no state '' in 'power.song'"),
    ("off|power.sound=power.sound.low", "it remembers 'power.sound': not each once a region with a history"),
    ("|power.song=power.song.first", "'the workflow' has 0 active children, expected 1"),
]


def forged(store: Store, after: str) -> None:
    """Append a transition that chains and is sealed as it should, with another configuration."""
    head = head_of(store)
    with store.reader() as reader:
        row = reader.row("p", head.version)
    assert row is not None
    assert head.image is not None
    record = evolve(row.record, version=head.version + 1, before=row.record.after, after=after)
    rest, digest = digests(record)
    made = head_hash(head.hash, digest, head.image)
    text = definition_of(Player).chart.text
    image = (head.image_digest, head.image)
    stands = standing(record, (made, head.hash, rest), image, secret=head.secret, outcome=None)
    draft = Draft(record, stands, head.image, text)
    with store.transaction() as transaction:
        transaction.append([draft])
        transaction.commit()


@pytest.mark.parametrize(("text", "reason"), TORN, ids=[text for text, _ in TORN])
def test_what_nobody_can_remember_is_damage(store: Store, text: str, reason: str) -> None:
    turned_off(Engine(store, Player))
    forged(store, text)

    with pytest.raises(Refused, match=r"^instance_unsound") as raised:
        Engine(store, Player).get(Player, "p")
    assert f"configuration {text!r}: " in raised.value.reason
    assert reason in raised.value.reason


def test_recovery_reads_a_memory_as_the_engine_does(tmp_path: Path) -> None:
    with Engine(tmp_path / "player.db", Player) as engine:
        turned_off(engine)
    assert verify(tmp_path / "player.db", Player).is_clean

    with Engine(tmp_path / "player.db", Player) as engine:
        forged(engine.store, "off|power.sound=power.sound.low")
    assert "it remembers 'power.sound'" in str(verify(tmp_path / "player.db"))
    assert "it remembers 'power.sound'" in str(verify(tmp_path / "player.db", Player))


def test_what_is_remembered_and_legal_is_believed(store: Store) -> None:
    turned_off(Engine(store, Player))
    forged(store, "off|power.song=power.song.second")

    assert Engine(store, Player).get(Player, "p").send(On(deep=False)).after[0] == "power.song.second"


def test_a_changed_memory_is_found_by_its_hash(tmp_path: Path) -> None:
    with Engine(tmp_path / "player.db", Player) as engine:
        turned_off(engine)
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        "c.execute(\"update perdure_symbol set name = replace(name, '=power.song.second', '=power.song.first') \"\n"
        "\"where name like 'off|%'\"); print(c.total_changes); c.commit(); c.close()"
    )
    assert run_child(script, tmp_path / "player.db") == (0, "1")

    with Engine(tmp_path / "player.db", Player) as engine, pytest.raises(Refused, match=r"^instance_unsound"):
        engine.get(Player, "p")


def test_a_class_that_has_no_such_history_needs_a_migration(store: Store) -> None:
    turned_off(Engine(store, Player))

    class Forgetful(Player, revision=2, name="Player"):
        class power(Player.power):
            class song(Player.power.song):
                again = State()  # type: ignore[assignment]  # a state where a history was

        @on(On, Player.off, to=power)
        def wake(self, event: On) -> None: ...

    with pytest.raises(Refused, match=r"^needs_migration: .*it remembers 'power', 'power.song'"):
        Engine(store, Forgetful).get(Forgetful, "p")


def test_a_history_is_neither_unreachable_nor_a_dead_end() -> None:
    assert check(Player) == ()
