"""A file of three orders that another program changed by hand, and what is to be found of it."""

import sqlite3
from pathlib import Path
from typing import Any

import recovery
from examples.order import Order, Submit
from tests.kit import shipped, shop


def damaged(folder: Path, *statements: str) -> Path:
    """Return a file with three orders, two of them whole, after somebody changed it with another program."""
    with shop(folder) as engine:
        shipped(engine, "a")
        engine.start(Order, id="b").send(Submit("lamp", 1), key="k")
        shipped(engine, "c")
    path = folder / "shop.db"
    with sqlite3.connect(path) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount == 1, statement
    connection.close()
    return path


def symbol(name: str) -> str:
    return f"(select id from perdure_symbol where name = '{name}')"


ROW_OF_A = "instance = (select id from perdure_instance where name = 'a')"
ROW_OF_B = "instance = (select id from perdure_instance where name = 'b')"

HEAD_DAMAGE = {
    "head: configuration": f"update perdure_instance set configuration = {symbol('review')} where name = 'b'",
    "head: version": "update perdure_instance set version = 3 where name = 'b'",
    "head: image": "update perdure_instance set image = cast('{}' as blob) where name = 'b'",
    "head: hash": "update perdure_instance set hash = zeroblob(32) where name = 'b'",
    "head: previous hash": "update perdure_instance set previous_hash = zeroblob(32) where name = 'b'",
    "head: rest digest": "update perdure_instance set rest_digest = zeroblob(32) where name = 'b'",
    "head: time": "update perdure_instance set time = time + 1 where name = 'b'",
    "head: revision": "update perdure_instance set revision = 7 where name = 'b'",
    "head: incarnation": "update perdure_instance set incarnation = 2 where name = 'b'",
    "head: epoch": "update perdure_instance set epoch = 2 where name = 'b'",
    "head: pointer": "update perdure_instance set head = 1 where name = 'b'",
    "head: outcome": "update perdure_instance set outcome = 'shipped' where name = 'b'",
}
"""What a sound journal makes good: REBUILT."""

TAIL_DAMAGE = {
    "row: body": f"update perdure_journal set body = cast('{{}}' as blob) where {ROW_OF_B} and version = 2",
    "row: event": f"update perdure_journal set event = {symbol('Approve')} where {ROW_OF_B} and version = 2",
    "row: after": f"update perdure_journal set after = {symbol('review')} where {ROW_OF_B} and version = 2",
    "row: actor": f"update perdure_journal set actor = 'eve' where {ROW_OF_B} and version = 2",
    "row: key": f"update perdure_journal set key = 'other' where {ROW_OF_B} and version = 2",
    "row: version": f"update perdure_journal set version = 4 where {ROW_OF_B} and version = 2",
    "row: gone": f"delete from perdure_journal where {ROW_OF_B} and version = 2",
}
"""What the head makes good: KEPT AT HEAD."""

DAMAGE = {**HEAD_DAMAGE, **TAIL_DAMAGE}
"""What the engine itself must notice at the first load of b: it reads the head and its row."""

DEEP_DAMAGE = {
    "row 1: body": f"update perdure_journal set body = cast('{{}}' as blob) where {ROW_OF_B} and version = 1",
    "row 1: note": f"update perdure_journal set note = 'x' where {ROW_OF_B} and version = 1",
    "row 1: gone": f"delete from perdure_journal where {ROW_OF_B} and version = 1",
    "secret": "update perdure_instance set secret = zeroblob(16) where name = 'b'",
    "key: version": f"update perdure_key set version = 1 where {ROW_OF_B} and kind = 'send'",
    "key: hash": f"update perdure_key set hash = zeroblob(32) where {ROW_OF_B} and kind = 'send'",
    "key: name": f"update perdure_key set key = 'other' where {ROW_OF_B} and kind = 'send'",
    "key: digest": f"update perdure_key set digest = zeroblob(32) where {ROW_OF_B} and kind = 'send'",
    "key: digest of the start": f"update perdure_key set digest = zeroblob(32) where {ROW_OF_B} and kind = 'start'",
    "row 1: text": f"update perdure_journal set actor = cast(x'ff41' as text) where {ROW_OF_B} and version = 1",
    "key: gone": f"delete from perdure_key where {ROW_OF_B} and kind = 'send'",
}
"""What nothing makes good, and what needs the whole chain to be found: QUARANTINED."""


def verdicts(report: recovery.RecoveryReport) -> dict[str, str]:
    return {finding.instance: finding.verdict for finding in report.instances}


def dump(path: Path) -> dict[str, list[Any]]:
    """Return everything in a file, table by table and byte for byte, open marks aside."""
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    try:
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        wanted = [name.decode() for (name,) in names if name != b"perdure_open_mark"]
        return {name: connection.execute(f"select * from {name}").fetchall() for name in wanted}
    finally:
        connection.close()


def change(path: Path, statement: str, *values: object) -> None:
    """Change one row of a file that nobody of this process has open."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute(statement, values).rowcount == 1, statement
        connection.commit()
    finally:
        connection.close()
