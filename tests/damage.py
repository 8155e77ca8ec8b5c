"""A file of three orders that another program changed by hand, and what is to be found of it."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

from attrs import evolve

import recovery
from examples.order import Order, Submit
from persistence import Head, Row, Sealed, SQLiteStore
from persistence.records import digests, genesis, head_hash, seal_of
from statemachine.folding import image_of
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


def copied_over(path: Path, target: Path) -> Path:
    """Copy a file over another one; the anchor beside that one tells of what stood there, and is taken away."""
    target.with_name(f"{target.name}-anchor").unlink(missing_ok=True)
    return Path(shutil.copy(path, target))


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
    "key: version": f"update perdure_key set version = 1 where {ROW_OF_B} and version = 2",
    "key: name": f"update perdure_key set name = zeroblob(16) where {ROW_OF_B} and version = 2",
    "key: digest": f"update perdure_key set digest = zeroblob(32) where {ROW_OF_B} and version = 2",
    "key: digest of the start": f"update perdure_key set digest = zeroblob(32) where {ROW_OF_B} and version = 1",
    "row 1: text": f"update perdure_journal set actor = cast(x'ff41' as text) where {ROW_OF_B} and version = 1",
    "key: gone": f"delete from perdure_key where {ROW_OF_B} and version = 2",
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


def mistype(path: Path, table: str, change_to: str) -> None:
    """Change one cell of a table to a value that its column does not allow, as a damaged page can hold it."""
    strict = "select sql from sqlite_schema where name = ?"
    declare = "update sqlite_schema set sql = ? where name = ?"
    connection = sqlite3.connect(path)
    (sql,) = connection.execute(strict, (table,)).fetchone()
    connection.execute("pragma writable_schema = on")
    connection.execute(declare, (sql.replace("NOT NULL", "").replace(") STRICT", ")"), table))
    connection.commit()
    connection.close()
    change(path, f"update {table} set {change_to}")
    connection = sqlite3.connect(path)
    connection.execute("pragma writable_schema = on")
    connection.execute(declare, (sql, table))
    connection.commit()
    connection.close()


def misplace(path: Path, n: int) -> None:
    """Change the number of a journal row in its page: who scans the table meets the row, who searches it does not."""
    connection = sqlite3.connect(path)
    (token,) = connection.execute("select token from perdure_journal where n = ?", (n,)).fetchone()
    connection.close()
    raw = bytearray(path.read_bytes())
    at = raw.find(token)
    page = at // 4096 * 4096
    count = int.from_bytes(raw[page + 3 : page + 5], "big")
    cells = [page + int.from_bytes(raw[place : place + 2], "big") for place in range(page + 8, page + 8 + 2 * count, 2)]
    cell = max(one for one in cells if one <= at)
    number = cell + (2 if raw[cell] > 127 else 1)  # after the size of the row, which has one byte or two
    assert raw[number] == n
    raw[number] = 100
    path.write_bytes(raw)


def everything(folder: Path) -> Path:
    """Return a file in which each verdict of a repair is due, and one instance is beyond it."""
    path = damaged(folder)
    with shop(folder) as engine:
        for name in ("d", "e", "f"):
            shipped(engine, name)
    change(path, HEAD_DAMAGE["head: time"])
    change(path, f"update perdure_journal set note = 'x' where {ROW_OF_A} and version = 6")
    change(path, "update perdure_journal set note = 'x' where n = 10")
    change(path, "update perdure_instance set image = x'00' where name = 'd'")
    return path


DUE = {"a": "KEPT AT HEAD", "b": "REBUILT", "c": "QUARANTINED", "d": "REBUILT", "e": "CLEAN", "f": "CLEAN"}


def forge(path: Path, version: int, /, *, seal: bool = True, **changes: Any) -> None:
    """Change fields of b's row at a version, and hash row, later rows, head and, unless told not to, seals anew.

    Where the seals are made anew the anchor, which has another one, is taken away.
    """
    store = SQLiteStore(path)
    with store.reader() as reader:
        head, rows, lane = reader.head("b"), reader.journal("b"), list(reader.lane())
    store.close()
    assert head is not None
    previous = genesis("b", head.workflow, head.secret)
    hashes: dict[bytes, bytes] = {}
    for row in rows:
        if row.record.version == version:
            row.record = evolve(row.record, **changes)
        head.previous_hash, (head.rest_digest, digest) = previous, digests(row.record)
        hashes[row.hash] = previous = head_hash(previous, digest, image_of(row))
    head.hash, head.configuration = previous, rows[-1].record.after
    _write_forged(path, head, hashes, sealed=_sealed(lane, hashes) if seal else lane, row=rows[version - 1])
    if seal:
        path.with_name(f"{path.name}-anchor").unlink()


def _sealed(lane: list[Sealed], hashes: dict[bytes, bytes]) -> list[Sealed]:
    previous, found = bytes(32), list[Sealed]()
    for one in lane:
        previous = seal_of(previous, one.n, (hashes.get(one.hash, one.hash),))
        found.append(Sealed(one.n, one.hash, previous))
    return found


def _write_forged(path: Path, head: Head, hashes: dict[bytes, bytes], *, sealed: list[Sealed], row: Row) -> None:
    put_symbol = "insert or ignore into perdure_symbol (name) values (?)"
    connection = sqlite3.connect(path)
    try:
        for name in (row.record.event, row.record.after):
            connection.execute(put_symbol, (name,))
        for one in sealed:
            values = (hashes.get(one.hash, one.hash), one.seal, one.n)
            connection.execute("update perdure_journal set hash = ?, seal = ? where n = ?", values)
        record = row.record
        told = (record.event, record.after, record.note, record.body, record.version)
        connection.execute(
            "update perdure_journal set event = (select id from perdure_symbol where name = ?), "
            "after = (select id from perdure_symbol where name = ?), note = ?, body = ? "
            f"where {ROW_OF_B} and version = ?",
            told,
        )
        moved = (head.configuration, head.hash, head.previous_hash, head.rest_digest, head.image)
        connection.execute(
            "update perdure_instance set configuration = (select id from perdure_symbol where name = ?), hash = ?, "
            "previous_hash = ?, rest_digest = ?, image = ? where name = 'b'",
            moved,
        )
        connection.commit()
    finally:
        connection.close()
