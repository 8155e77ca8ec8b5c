"""`perdure demo` loses nothing and does nothing twice under real kills, and sees a planted loss; on any stream.

`python tests/test_demo.py --rewrite` writes the golden outputs anew. Counts, times and paths are masked in them;
colours stand as <32>. They are what is left on the screen, after all redrawing.
"""

import importlib.util
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from attrs import evolve

from perdure.demo import command, next, parent, script  # noqa: A004  # a module of that name
from perdure.demo.evidence import gather
from perdure.demo.judge import Evidence, Kind, judge
from perdure.demo.order import SCHEMA, SKUS, STOCK
from perdure.demo.parent import ChildError, Death, Run
from perdure.demo.place import KEPT, Place
from perdure.demo.screen import look_of
from perdure.demo.script import CrashPoint, Draw, Kill, script_of
from perdure.demo.wire import Acknowledged, Opened, heard
from persistence import Row

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
BIN = Path(sys.executable).parent
SEED = 7
WIDTH_MAX = 80


def _load_drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", ROOT / "docs" / "images" / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


draw = _load_drawing()


class Ran(NamedTuple):
    """A demo that ran: what it wrote, how it ended, what it left in the folder for temporary files."""

    text: str
    code: int
    left: list[str]


def names_in(folder: Path) -> list[str]:
    """What stands in a folder."""
    return sorted(path.name for path in folder.iterdir())


def surroundings(temporary: Path, **more: str) -> dict[str, str]:
    """The environment of a run: a colour terminal, `perdure` on the path, a folder of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "PYTHONIOENCODING"}}
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    return {**kept, "PATH": path, "TERM": "xterm-256color", "TMPDIR": str(temporary), **more}


def on_pipe(*arguments: str, folder: Path, **environment: str) -> Ran:
    """Run `perdure demo` with its output on a pipe."""
    temporary = Path(tempfile.mkdtemp(dir=folder))
    done = subprocess.run(
        ["perdure", "demo", *arguments],
        cwd=folder,
        env=surroundings(temporary, **environment),
        capture_output=True,
        check=False,
        executable=BIN / "perdure",
    )
    return Ran(done.stdout.decode() + done.stderr.decode(), done.returncode, names_in(temporary))


def on_terminal(*arguments: str, folder: Path, columns: int = WIDTH_MAX, **environment: str) -> Ran:
    """Run `perdure demo` on a terminal."""
    temporary = Path(tempfile.mkdtemp(dir=folder))
    program = [str(BIN / "perdure"), "demo", *arguments]
    written, code = draw.record(program, environment=surroundings(temporary, **environment), columns=columns)
    return Ran(written, code, names_in(temporary))


def masked(text: str) -> str:
    """A run's text without counts, times, hashes and paths: what is left must not change from run to run."""
    for found, mask in ((r"/\S*/shop\.db", "PATH"), (r"\b[\da-f]{12}\b", "HASH"), (r"\d+\.\d s", "#.# s")):
        text = re.sub(found, mask, text)
    return re.sub(r"<[\d;]*>|\d", lambda one: one[0] if one[0].startswith("<") else "#", text)


def left_on(screen: str) -> str:
    """What a terminal shows at the end."""
    shown: str = draw.Screen().feed(screen).text(codes=True)
    return shown


# -- on any stream ---------------------------------------------------------------------------------------------------


GOLDENS: Mapping[str, Callable[[Path], tuple[Ran, str]]] = {
    "terminal": lambda folder: _shown(on_terminal("--seed", str(SEED), folder=folder)),
    "no-color": lambda folder: _shown(on_terminal("--seed", str(SEED), folder=folder, NO_COLOR="1")),
    "pipe": lambda folder: _plain(on_pipe("--seed", str(SEED), folder=folder)),
    "break": lambda folder: _plain(on_pipe("--seed", str(SEED), "--break", folder=folder)),
}


def _shown(ran: Ran) -> tuple[Ran, str]:
    return ran, left_on(ran.text)


def _plain(ran: Ran) -> tuple[Ran, str]:
    return ran, ran.text


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Ran, str]]:
    return {name: play(tmp_path_factory.mktemp(name)) for name, play in GOLDENS.items()}


@pytest.mark.long
@pytest.mark.parametrize("name", GOLDENS)
def test_output_is_the_golden_one(name: str, ran: Mapping[str, tuple[Ran, str]]) -> None:
    golden = (GOLDEN / f"demo-{name}.txt").read_text(encoding="utf-8")
    assert masked(ran[name][1]) == golden, "if this is meant: python tests/test_demo.py --rewrite"


@pytest.mark.long
@pytest.mark.parametrize("name", GOLDENS)
def test_only_a_planted_loss_fails_and_nothing_stays_behind(name: str, ran: Mapping[str, tuple[Ran, str]]) -> None:
    assert (ran[name][0].code, ran[name][0].left) == (int(name == "break"), [])


@pytest.mark.long
@pytest.mark.parametrize("name", ["terminal", "no-color"])
def test_table_is_redrawn_in_place_and_the_cursor_given_back(name: str, ran: Mapping[str, tuple[Ran, str]]) -> None:
    written = ran[name][0].text
    assert written.count("\x1b[11A") > len(script_of(SEED).kills)
    assert (written.count("\x1b[?25l"), written.count("\x1b[?25h")) == (1, 1)


@pytest.mark.long
@pytest.mark.parametrize("name", GOLDENS)
def test_no_line_is_wider_than_80_columns_but_for_the_path(name: str, ran: Mapping[str, tuple[Ran, str]]) -> None:
    plain = re.sub(r"<[\d;]*>", "", ran[name][1])
    assert [line for line in plain.splitlines() if len(line) > WIDTH_MAX and "shop.db" not in line] == []


@pytest.mark.long
def test_planted_loss_is_named_and_nothing_else_found(ran: Mapping[str, tuple[Ran, str]]) -> None:
    text = ran["break"][0].text
    lost = script_of(SEED).steps[script_of(SEED).lost]
    assert f"({lost.order} {lost.name}) is left out" in text
    assert re.findall(r"(?m)^(LOST|APPLIED TWICE|WRONG)  (\S+) version \d+: (\w+)", text) == [
        ("LOST", lost.order, lost.name)
    ]


@pytest.mark.long
def test_seed_repeats_a_run_on_any_stream(ran: Mapping[str, tuple[Ran, str]], tmp_path: Path) -> None:
    dumb = on_terminal("--seed", str(SEED), folder=tmp_path, TERM="dumb")
    assert "\x1b" not in dumb.text
    told = [line for line in dumb.text.splitlines() if line.startswith("kill ")]
    assert told == [line for line in ran["pipe"][0].text.splitlines() if line.startswith("kill ")]
    assert len(told) == len(script_of(SEED).kills)


@pytest.mark.long
def test_narrow_terminal_and_ascii_get_plain_lines(tmp_path: Path) -> None:
    narrow = on_terminal("--seed", str(SEED), folder=tmp_path, columns=60, PYTHONIOENCODING="ascii")
    assert narrow.code == 0
    assert narrow.text.isascii()
    assert not re.search(r"\x1b\[\d*[AK]", narrow.text)
    assert "########" in narrow.text


@pytest.mark.long
def test_next_commands_work_in_the_order_in_which_they_are_shown(
    ran: Mapping[str, tuple[Ran, str]], tmp_path: Path
) -> None:
    shown = [line.strip() for line in ran["pipe"][0].text.splitlines()[-3:]]
    codes = [
        subprocess.run(["sh", "-c", line], cwd=tmp_path, env=surroundings(tmp_path), check=False).returncode
        for line in shown
    ]
    assert codes == [0, 0, 1], shown
    assert (tmp_path / KEPT).exists()


INTERRUPTED = """
import signal, sys
from perdure.cli import main
from perdure.demo.screen import Plain
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
told = Plain.resumed
def interrupted(*of):
    told(*of)
    signal.raise_signal(signal.SIGINT)
Plain.resumed = interrupted
sys.argv = ["perdure", "demo", "--seed", "7"]
main()
"""


@pytest.mark.long
def test_interrupt_ends_the_child_and_removes_the_file(tmp_path: Path) -> None:
    """It comes behind the first line about a kill, when the next child is at work."""
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, env=surroundings(tmp_path), stdout=subprocess.PIPE, check=False, text=True)
    assert done.stdout.count("kill ") == 1
    assert "Interrupted" in done.stdout
    assert (done.returncode, names_in(tmp_path)) == (130, [])


@pytest.mark.long
def test_reader_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", "perdure demo --seed 7 | head -n 4"],
        env=surroundings(tmp_path),
        capture_output=True,
        check=False,
    )
    assert (done.stderr, names_in(tmp_path)) == (b"", [])


# -- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beside", ["", "-wal"])
def test_file_that_is_there_is_not_overwritten(
    beside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / (KEPT + beside)).write_text("mine")
    assert command.run(keep=True) == 2
    assert f"{KEPT}{beside} is there already" in capsys.readouterr().err
    assert (tmp_path / (KEPT + beside)).read_text() == "mine"


def test_kept_file_that_is_not_finished_is_removed(tmp_path: Path) -> None:
    kept = Place(str(tmp_path / "a.db"))
    Path(kept.path).write_text("half")
    kept.leave()
    assert names_in(tmp_path) == []


def test_evidence_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    evidence = Place(None)
    evidence.settle(is_evidence=True)
    evidence.leave()
    assert Path(evidence.path).parent.exists()


def test_file_in_no_folder_is_a_finding_and_no_traceback(tmp_path: Path) -> None:
    out = io.StringIO()
    assert command.run(seed=SEED, path=str(tmp_path / "none" / "a.db"), out=out) == 1
    told = " ".join(out.getvalue().split())
    assert "WRONG the child ended with 1 after 0 steps: persistence.errors." in told
    assert "its folder does not exist" in told
    assert "Repeat it" in told


def test_system_without_sigkill_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delattr("signal.SIGKILL")
    assert command.run() == 2
    assert "SIGKILL" in capsys.readouterr().err


def test_loss_that_nobody_sees_fails(monkeypatch: pytest.MonkeyPatch, sound: Evidence, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(command, "play", lambda _run, _screen: None)
    monkeypatch.setattr(command, "gather", lambda _run: sound)
    out = io.StringIO()
    assert command.run(seed=SEED, break_=True, out=out) == 1
    assert "the judge did not see it" in out.getvalue()


def test_commands_do_not_make_a_file_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / KEPT).touch()
    temporary = Place(None)
    shown = next.commands(Run(script_of(SEED), "x", forgets=False), temporary)
    temporary.leave()
    assert not any("--keep" in line for line in shown)


# -- the script ------------------------------------------------------------------------------------------------------


def test_script_is_the_same_on_every_machine() -> None:
    draw_of_seven = Draw(7)
    assert [draw_of_seven.below(1000) for _ in range(4)] == [45, 797, 165, 96]
    assert script_of(SEED) == script_of(SEED)


@pytest.mark.parametrize("seed", [0, 1, 42, -1, 10**30])
def test_script_is_of_the_promised_size(seed: int) -> None:
    drawn = script_of(seed)
    assert script.ORDERS[0] <= len(drawn.orders) <= script.ORDERS[1]
    assert script.KILLS[0] <= len(drawn.kills) <= script.KILLS[1]
    assert {kill.point for kill in drawn.kills} == set(CrashPoint)
    assert len({kill.step for kill in drawn.kills}) == len(drawn.kills)
    assert drawn.lost not in {kill.step for kill in drawn.kills}


def test_stock_of_the_schema_is_the_one_that_is_judged() -> None:
    assert re.findall(r"\('(\w+)', (\d+)\)", SCHEMA) == [(sku, str(STOCK)) for sku in SKUS]


@pytest.mark.parametrize("said", [Opened(1, 9, 8), Acknowledged(3, "o-01", 2, "Add", "ab", replayed=True, after="a,b")])
def test_what_is_said_is_heard(said: Opened | Acknowledged) -> None:
    assert heard(said.line()) == said


# -- the judge: each check has a planted fault -----------------------------------------------------------------------


class Nobody:
    """A watcher that looks away."""

    def progressed(self, run: Run) -> None: ...

    def killed(self, run: Run) -> None: ...

    def resumed(self, run: Run, death: Death, /) -> None: ...


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    run = Run(script_of(SEED), str(tmp_path_factory.mktemp("judge") / "shop.db"), forgets=False)
    parent.play(run, Nobody())
    return gather(run)


def with_rows(evidence: Evidence, change: Callable[[list[Row]], list[Row]]) -> Evidence:
    """The evidence with another journal of its first order."""
    return evolve(evidence, journals={**evidence.journals, "o-01": change(list(evidence.journals["o-01"]))})


def with_death(evidence: Evidence, change: Callable[[Death], Death]) -> Evidence:
    """The evidence with another first death."""
    return evolve(evidence, deaths=(change(evidence.deaths[0]), *evidence.deaths[1:]))


def renumbered(row: Row, version: int) -> Row:
    """A row that says that it is of another version."""
    return evolve(row, record=evolve(row.record, version=version))


FAULTS: list[tuple[str, Callable[[Evidence], Evidence], Kind, str]] = [
    ("row gone", lambda e: with_rows(e, lambda rows: rows[:-1]), Kind.LOST, "the journal holds nothing there"),
    (
        "row changed",
        lambda e: with_rows(e, lambda rows: [*rows[:-1], evolve(rows[-1], hash=bytes(32))]),
        Kind.LOST,
        "000000000000 there",
    ),
    (
        "row twice",
        lambda e: with_rows(e, lambda rows: [*rows, renumbered(rows[-1], len(rows) + 1)]),
        Kind.TWICE,
        "is in 2 rows of the journal",
    ),
    ("booked twice", lambda e: evolve(e, ledger=(*e.ledger, e.ledger[5])), Kind.TWICE, "2 rows of the ledger"),
    ("not booked", lambda e: evolve(e, ledger=e.ledger[1:]), Kind.WRONG, "'open' is missing from the ledger"),
    (
        "booked for nothing",
        lambda e: evolve(e, ledger=(*e.ledger, ("o-01", 99, "add"))),
        Kind.WRONG,
        "o-01 version 99: 'add' is in the ledger",
    ),
    ("told less", lambda e: evolve(e, acknowledged=e.acknowledged[:-1]), Kind.WRONG, "nobody was told"),
    ("not all sent", lambda e: evolve(e, acknowledged=e.acknowledged[:-1]), Kind.WRONG, "1 steps were never"),
    ("gap", lambda e: with_rows(e, lambda rows: [rows[0], *rows[2:]]), Kind.WRONG, "o-01: version 2 is missing"),
    (
        "data changed",
        lambda e: with_rows(
            e, lambda rows: [evolve(rows[0], record=evolve(rows[0].record, body=b'{"image":{}}')), *rows[1:]]
        ),
        Kind.WRONG,
        "o-01 version 1: its hash does not follow",
    ),
    (
        "head changed",
        lambda e: evolve(e, heads={**e.heads, "o-01": evolve(e.heads["o-01"], hash=bytes(32))}),
        Kind.WRONG,
        "does not lead to the head",
    ),
    ("stock", lambda e: evolve(e, stock={**e.stock, "lamp": 3}), Kind.WRONG, "stock: 3 lamp"),
    (
        "not ended",
        lambda e: evolve(e, heads={**e.heads, "o-01": evolve(e.heads["o-01"], outcome=None)}),
        Kind.WRONG,
        "o-01 has not ended",
    ),
    ("kill missed", lambda e: evolve(e, deaths=e.deaths[1:]), Kind.WRONG, "were planned"),
    (
        "found otherwise",
        lambda e: with_death(e, lambda death: evolve(death, is_committed=not death.is_committed)),
        Kind.WRONG,
        "in the file",
    ),
    (
        "answered otherwise",
        lambda e: with_death(e, lambda death: evolve(death, replayed=not death.replayed)),
        Kind.WRONG,
        "sent again",
    ),
    (
        "kill not noticed",
        lambda e: with_death(e, lambda death: evolve(death, opened=Opened(0, 1, 1))),
        Kind.WRONG,
        "recovery did not find",
    ),
]


def test_sound_evidence_has_no_finding(sound: Evidence) -> None:
    assert judge(sound) == []


@pytest.mark.parametrize(("fault", "kind", "text"), [fault[1:] for fault in FAULTS], ids=[name for name, *_ in FAULTS])
def test_planted_fault_is_found(fault: Callable[[Evidence], Evidence], kind: Kind, text: str, sound: Evidence) -> None:
    found = judge(fault(sound))
    assert any(finding.kind is kind and text in finding.text for finding in found), found


# -- the parent ------------------------------------------------------------------------------------------------------


def test_child_is_gone_when_its_parent_gives_up(tmp_path: Path) -> None:
    run = Run(script_of(SEED), str(tmp_path / "shop.db"), forgets=False)
    with pytest.raises(KeyboardInterrupt), parent._child(run) as child:
        raise KeyboardInterrupt
    assert child.poll() == -9


def test_kill_at_another_step_than_planned_is_an_error(tmp_path: Path) -> None:
    run = Run(evolve(script_of(SEED), kills=(Kill(0, CrashPoint.BEGIN),)), str(tmp_path / "shop.db"), forgets=False)
    with pytest.raises(ChildError, match=r"the child ended with -9 after [1-9]"):
        parent.play(run, Nobody())


def test_child_that_skips_a_step_is_an_error() -> None:
    told = Acknowledged(1, "o-01", 2, "Add", "ab", replayed=False, after="cart")
    with pytest.raises(ChildError, match="step 0 was due"):
        parent._hear(Run(script_of(SEED), "x", forgets=False), told, Nobody())


def test_stream_of_unknown_kind_is_written_to_plainly() -> None:
    look = look_of(io.StringIO(), {})
    assert (look.colour, look.signs) == (False, True)


def test_what_a_reader_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "a.db-shm").write_bytes(bytes(32_768))
    (tmp_path / "a.db-wal").touch()
    assert Place(str(tmp_path / "a.db")).kept == str(tmp_path / "a.db")


def rewrite() -> None:
    """Write the golden outputs anew."""
    GOLDEN.mkdir(exist_ok=True)
    for name, play in GOLDENS.items():
        with tempfile.TemporaryDirectory() as folder:
            (GOLDEN / f"demo-{name}.txt").write_text(masked(play(Path(folder))[1]), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--rewrite"]:
        sys.exit("usage: python tests/test_demo.py --rewrite")
    rewrite()
