"""What a crowd's file must say, given what its processes were answered: nothing more, nothing less, nothing twice."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import recovery
from statemachine import Engine, Instance
from tests.crowd.sending import Answer, Heard
from tests.crowd.tills import Till, TillData

__all__ = ["judged"]

SHOWN_MAX = 3  # of one kind


def judged(path: str, heard: Sequence[Heard]) -> list[str]:
    """Return what is wrong with a file, and with what was answered."""
    found = [error for one in heard for error in one.errors]
    answers: dict[str, list[Answer]] = {}
    for answer in chain.from_iterable(one.answers for one in heard):
        answers.setdefault(answer.till, []).append(answer)
    report = recovery.verify(path, Till)
    if not report.is_clean:
        found.append(f"verify: {report}")
        return found  # what is unsound cannot be read
    with Engine(path, Till, read_only=True) as engine:
        for till in engine.list(Till):
            wrong = list(_wrong(engine, till, answers.pop(till.id, [])))
            found += [f"{till.id}: {one}" for one in wrong[:SHOWN_MAX]]
    return found + [f"{name}: acknowledged, and not there" for name in answers]


def _wrong(engine: Engine, till: Instance[Till, TillData], answers: list[Answer]) -> Iterator[str]:
    history = till.history()
    if [one.version for one in history] != list(range(1, len(history) + 1)):
        yield "a gap in its versions"
    stored = {one.version: (one.key, one.hash) for one in history}
    ran = Counter(one.version for one in answers if not one.is_replayed)
    yield from (f"version {version} was acknowledged {count} times" for version, count in ran.items() if count > 1)
    yield from (
        f"version {version} was acknowledged to nobody" for version in stored if version > 1 and not ran[version]
    )
    for one in answers:
        if stored.get(one.version) != (one.key, one.hash):
            yield f"version {one.version}, key {one.key}, was acknowledged, and is not there"
    keys = Counter(one.key for one in history if one.key is not None)
    yield from (f"key {key!r} ran {count} times" for key, count in keys.items() if count > 1)
    amounts = [(one.event, one.payload["amount"]) for one in history[1:]]
    booked = sum(amount for event, amount in amounts if event == "Book")
    data = TillData(sum(amount for _, amount in amounts), booked)
    if till.data != data:
        yield f"its data is {till.data}, its history says {data}"
    lines = engine.sql().execute("select version, amount from line where till = ? order by version", (till.id,))
    if lines != [(one.version, one.payload["amount"]) for one in history if one.event == "Book"]:
        yield "its lines are not those of its history"
