"""From a stored head to something that can be run: gathers the facts that `admission` judges.

Used by the engine at the first load of an instance and by recovery for every instance, so that both see the same.
"""

from functools import lru_cache
from typing import Any

from attrs import define

from persistence.records import (
    Head,
    Row,
    head_digest,
    image_digest,
    proof_of,
    record_digest,
    stub_hash,
)
from persistence.store import Reader, Transaction
from statemachine.admission import HeadFacts, Judgement, Verdict, judge_head
from statemachine.chart import Chart, Configuration, Memory
from statemachine.decide import broken_invariant
from statemachine.definition import Definition
from statemachine.errors import DataError, Refused
from statemachine.folding import stored_image
from statemachine.frame import SqlPort
from statemachine.runner import FrameRunner

TEXTS_MAX = 10_000  # of where instances stand, remembered with what they say; of a few hundred bytes each

__all__ = [
    "TERMINATED",
    "TERMINATED_MARK",
    "Loaded",
    "admit",
    "broken_head",
    "configuration_of",
    "configuration_text",
    "examine",
    "fit",
    "illegal",
    "memory_of",
    "outcome_of",
]

TERMINATED = "terminated"  # the outcome
TERMINATED_MARK = "|perdure.terminated"
"""Ends the stored text of where an instance stands that was terminated: so hash, head and repairs cover the outcome."""


@define(eq=False)
class Loaded:
    """A head that passed admission, and its class."""

    head: Head
    definition: Definition
    configuration: Configuration
    memory: Memory  # what its regions remember
    image: bytes  # the data as this class writes it; other bytes than the head's where the class gained fields
    frozen: object  # the same data, to be thawed for each attempt
    parts: tuple[bytes, ...] = ()  # the bytes of its fields, as far as they are known one by one


@lru_cache(maxsize=TEXTS_MAX)
def configuration_text(configuration: Configuration, *, memory: Memory = ()) -> str:
    """Return where an instance stands as it is stored: `a.b,c|region=region.leaf,region.other`. Pure."""
    return "|".join((",".join(configuration), *(f"{region}={','.join(leaves)}" for region, leaves in memory)))


@lru_cache(maxsize=TEXTS_MAX)
def configuration_of(text: str) -> Configuration:
    """Return the configuration of a stored text. Pure."""
    leaves = text.partition("|")[0]
    return tuple(leaves.split(",")) if leaves else ()


@lru_cache(maxsize=TEXTS_MAX)
def memory_of(text: str) -> Memory:
    """Return what regions remember by a stored text. Total: what `configuration_text` never wrote is illegal. Pure."""
    text = text.removesuffix(TERMINATED_MARK)
    if "|" not in text:
        return ()
    parts = (part.partition("=") for part in text.split("|")[1:])
    return tuple((region, configuration_of(leaves)) for region, _, leaves in parts)


def outcome_of(text: str, chart: Chart) -> str | None:
    """Return how an instance ended that stands where a stored text says; None while it runs. Pure."""
    return TERMINATED if text.endswith(TERMINATED_MARK) else chart.outcome(configuration_of(text))


def illegal(text: str, chart: Chart) -> str | None:
    """Return why a stored configuration, or what it remembers, is not legal in a chart; None if it is. Pure."""
    reason = chart.legal(configuration_of(text), memory=memory_of(text))
    return None if reason is None else f"configuration {text!r}: {reason}"


def examine(head: Head, definition: Definition | None, *, source: Transaction | Reader, has_sql: bool) -> HeadFacts:
    """Gather what can be known of one head and its journal row.

    `source` is where the head was read: the row, the definition that wrote it, and what invariants read of the user's
    tables come from the same view of the store.
    """
    tail = source.row(head.instance, head.version)
    broken_hash, broken_link = broken_head(head), _broken_link(head, tail)
    image = None
    if tail is not None and broken_hash is None and broken_link is None:
        try:
            image = stored_image(head, source)
        except DataError as error:
            broken_link = f"version {head.version}: {error}"
    if tail is None or image is None:
        return HeadFacts(
            mark=head.quarantine, broken_hash=broken_hash, broken_link=broken_link, has_class=definition is not None
        )
    told = (tail.record.actor, tail.record.note)
    return fit(head, definition, image=image, source=source, has_sql=has_sql, told=told)


def admit(
    head: Head | None, definition: Definition, instance: str, *, source: Transaction | Reader, has_sql: bool
) -> Loaded:
    """Judge a head that was read from the store. Raises Refused for one that cannot be used; writes nothing."""
    if head is None or (head.workflow and head.workflow != definition.name):
        found = "" if head is None else f"; that id is an instance of {head.workflow}"
        raise Refused("unknown_instance", f"there is no instance {instance!r} of {definition.name}{found}")
    facts = examine(head, definition, source=source, has_sql=has_sql)
    judgement, image = judge_head(facts), facts.image
    if not judgement.is_usable or image is None:
        raise _unusable(instance, head, judgement)
    data: Any = definition.decode_data(image)
    image = image if head.fingerprint == definition.fingerprint else definition.encode_data(data)
    text = head.configuration
    return Loaded(head, definition, configuration_of(text), memory_of(text), image, definition.freeze(data))


def _unusable(instance: str, head: Head, judgement: Judgement) -> Refused:
    if judgement.verdict is Verdict.NEEDS_MIGRATION:
        code, repair = "needs_migration", "open it with a class that fits, or mend the invariant or what it reads"
    else:
        code = "instance_unsound"
        repair = "nothing was loaded or written; perdure recover FILE MODULE:CLASS repairs what can be repaired"
        if head.quarantine is not None:
            repair = "it was set aside; perdure verify FILE MODULE:CLASS says up to which version it is sound"
    return Refused(code, f"{instance!r}: {judgement.reason}; {repair}", version=head.version)


def fit(
    head: Head,
    definition: Definition | None,
    *,
    image: bytes,
    source: Transaction | Reader,
    has_sql: bool,
    told: tuple[str | None, str | None],  # actor and note, which an invariant may read
) -> HeadFacts:
    """Gather how a head that is proven fits the definition that wrote it, and its class."""
    same = definition is not None and definition.fingerprint == head.fingerprint
    if same and definition is not None:
        unknown, wrong = None, _broken_outcome(head, definition.chart)
    else:
        unknown, wrong = _as_stored(head, source.definition(head.fingerprint))
    facts = HeadFacts(
        mark=head.quarantine,
        unknown_definition=unknown,
        illegal_as_stored=wrong,
        image=image,
        has_class=definition is not None,
    )
    if definition is not None:
        facts.same_fingerprint = same
        facts.lower_revision = _lower(head, definition)
        facts.illegal = illegal(head.configuration, definition.chart)
        if facts.illegal is None:
            _add_data(facts, head, definition, image=image, told=told, sql=source if has_sql else None)
    return facts


def broken_head(head: Head) -> str | None:
    """Return why a head does not prove itself (INV-3); None if it does. Pure."""
    is_whole = head.image is None or image_digest(head.image) == head.image_digest
    if is_whole and stub_hash(head.previous_hash, proof_of(head)) == head.hash:
        return None
    return f"version {head.version}: a column, the image or a hash of its head was changed"


def _broken_link(head: Head, tail: Row | None) -> str | None:
    """Compare a head with the record it stands for."""
    if tail is None:
        return f"version {head.version}: its row is missing from the journal"
    if tail.hash == head.hash and record_digest(tail.record) == head_digest(head):
        return None
    return f"version {head.version}: head and journal disagree, or the row was changed"


def _broken_outcome(head: Head, chart: Chart) -> str | None:
    """Compare a head's outcome with the one that its configuration has."""
    if head.outcome == outcome_of(head.configuration, chart):
        return None
    return f"version {head.version}: the head's outcome was changed"


def _as_stored(head: Head, text: str | None) -> tuple[str | None, str | None]:
    """Judge against the definition that wrote it, which needs no class."""
    if text is None:
        return f"version {head.version}: the definition that wrote it is not in the store", None
    try:
        chart = Chart(text)
    except (AttributeError, KeyError, TypeError, ValueError):  # as JSON it can be anything
        return f"version {head.version}: the definition that wrote it is damaged", None
    if chart.fingerprint != head.fingerprint:
        return f"version {head.version}: the definition that wrote it was changed", None
    return None, illegal(head.configuration, chart) or _broken_outcome(head, chart)


def _lower(head: Head, definition: Definition) -> str | None:
    if definition.revision >= head.revision:
        return None
    return f"it was written by revision {head.revision}; this class is revision {definition.revision}"


def _add_data(
    facts: HeadFacts,
    head: Head,
    definition: Definition,
    *,
    image: bytes,
    told: tuple[str | None, str | None],
    sql: SqlPort | None,
) -> None:
    """Add to the facts what of the data does not fit its class."""
    try:
        data = definition.decode_data(image)
    except DataError as error:
        facts.unreadable = str(error)
        return
    attempt = FrameRunner(data)
    attempt.id, attempt.version, attempt.time = head.instance, head.version, head.time
    attempt.actor, attempt.note = told
    attempt.sql = sql
    attempt.configuration = configuration_of(head.configuration)
    try:
        facts.broken_invariant = broken_invariant(definition, attempt, definition.freeze(data))
    except Exception as error:  # noqa: BLE001  # reported; it stops only this instance
        facts.unanswered_invariant = f"an invariant could not be asked: {type(error).__name__}: {error}"
