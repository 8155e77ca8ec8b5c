"""Gathers what the judge is shown: one consistent view of the file, read after the last child has closed it."""

from typing import cast

from perdure.demo.judge import Evidence
from perdure.demo.parent import Run
from persistence import Reader, SQLiteStore

__all__ = ["gather"]

LEDGER = "SELECT order_id, version, what FROM ledger ORDER BY rowid"
STOCK = "SELECT sku, n FROM stock"


def gather(run: Run) -> Evidence:
    """Read the file. Raises StoreError."""
    store = SQLiteStore(run.path, read_only=True)
    try:
        with store.reader() as reader:
            return _gather(run, reader)
    finally:
        store.close()


def _gather(run: Run, reader: Reader) -> Evidence:
    instances = list(reader.instances())
    heads = {instance: reader.head(instance) for instance in instances}
    return Evidence(
        script=run.script,
        acknowledged=tuple(run.acknowledged),
        deaths=tuple(run.deaths),
        heads={instance: head for instance, head in heads.items() if head is not None},
        journals={instance: reader.journal(instance) for instance in instances},
        ledger=cast("tuple[tuple[str, int, str], ...]", tuple(reader.execute(LEDGER, (), writable=False))),
        stock=dict(cast("list[tuple[str, int]]", reader.execute(STOCK, (), writable=False))),
    )
