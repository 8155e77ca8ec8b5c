"""The file that docs/format.md is asked about, and what other tools see in it; `--rewrite` writes that into the page.

Everything that opens the file beside our own store runs in a process of its own, with the sqlite3 of the standard
library: that is what the page tells its readers to do.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import define, field, frozen

import recovery
from examples.order import Approve, Charged, Order, Submit
from persistence import Checkpoint
from statemachine import Engine, State, Workflow, on
from tests.children import run_child
from tests.damage import change
from tests.kit import STOCKED, Clock, shipped

PATH = Path(__file__).resolve().parent.parent / "docs" / "format.md"
ASKED = re.compile(r"^```sql\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
SECOND = 1_000_000

ASKING = """
import json, sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
answers = []
for query in json.loads(sys.argv[2]):
    cursor = connection.execute(query)
    rows = [[name for name, *_ in cursor.description], *cursor.fetchall()]
    answers.append(["|".join("" if cell is None else str(cell) for cell in row) for row in rows])
connection.close()
print(json.dumps([sqlite3.sqlite_version, answers]))
"""


@frozen
class Write:
    line: str


@define
class Pages:
    title: str = "Log"
    lines: list[str] = field(factory=list[str])


class Book(Workflow[Pages], revision=1):
    """Data that is large enough for patches and compressed bodies."""

    writing = State(initial=True)

    @on(Write, writing, to=None)
    def write(self, event: Write) -> None:
        self.data.lines.append(event.line)


class Ticking(Clock):
    """One second passes from each question to the next."""

    def __call__(self) -> int:
        self.now += SECOND
        return self.now


def made(folder: Path) -> Path:
    """Make `shop.db`: orders in several states, a large book, a named checkpoint, and damage that recovery met."""
    path = folder / "shop.db"
    with Engine(path, Order, Book, schema=STOCKED, clock=Ticking()) as engine:
        order = shipped(engine, "o-1")
        named = engine.start(Order, id="o-2")
        named.send(Submit("lamp", 1), key="o-2-submit")
        named.send(Charged("ch-2"))
        for name in ("o-3", "o-4", "o-5"):
            engine.start(Order, id=name).send(Submit("desk", 2_000), key=f"{name}-submit")
        engine.get(Order, "o-5").send(Approve("bob"), actor="bob", roles=("manager",))
        engine.start(Order, id="o-6").send(Submit("desk", 3_000))
        engine.terminate("o-6", why="a mistake")
        book = engine.start(Book, Pages(lines=["first words " * 300]), id="book")
        for line in ("second", "words of é and \u2028 " * 90, "third"):
            book.send(Write(line))
        with engine.store.reader() as reader:
            head = reader.head(order.id)
        assert head is not None
        assert head.image is not None
        with engine.store.transaction() as transaction:
            told = ("before the audit", ("audit", "2023"), "asked for by ann", head.time)
            transaction.checkpoint(Checkpoint(order.id, head.version, head.hash, *told, head.image))
            transaction.commit()
    row = "UPDATE perdure_journal SET note = 'x' WHERE instance = (SELECT id FROM perdure_instance WHERE name = ?)"
    change(path, f"{row} AND version = 2", "o-4")
    change(path, f"{row} AND version = 2", "o-5")
    recovery.recover(path, Order, Book, level="full")
    return path


def asked(path: Path, queries: Sequence[str]) -> tuple[str, list[list[str]]]:
    """Return the version of the standard library's SQLite, and what it answers to each query, as its shell shows it."""
    code, told = run_child(ASKING, path, json.dumps(queries))
    assert code == 0
    version, answers = json.loads(told)
    return version, answers


def rewritten(page: str, path: Path) -> str:
    """Return the page with the answers that the file gives."""
    _, answers = asked(path, [query for query, _ in ASKED.findall(page)])
    left = iter(answers)
    return ASKED.sub(lambda one: f"```sql\n{one[1]}```\n\n```text\n" + "\n".join(next(left)) + "\n```\n", page)


def main() -> int:
    """Write the answers into the page."""
    with TemporaryDirectory() as folder:
        PATH.write_text(rewritten(PATH.read_text(encoding="utf-8"), made(Path(folder))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
