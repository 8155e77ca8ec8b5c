"""What is the case: facts of one instance, gathered read-only. Nothing is judged here.

All facts of an instance come from one read view. At level `heads` the head and its journal row are examined; at `full`
every row is: the chain is recomputed from version 1, each image is folded and each configuration checked against the
definition that wrote it. Where anything is wrong, `evidence` is asked what the rows prove on their own, at both levels.
Guards and actions never run, so new code cannot rewrite history.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

from attrs import evolve, field, frozen

from persistence import Corrupt, Head, KeyRecord, Reader, Row, Stub
from persistence.lane import LaneFacts, lane_facts
from recovery.checkpoints import DamagedCheckpoint, damaged_checkpoints
from recovery.evidence import Chain, Charts, Proof, charts_of, head_of, prove, walk
from statemachine.admission import HeadFacts, Verdict, judge_head
from statemachine.codec import loads
from statemachine.definition import Definition
from statemachine.errors import DataError
from statemachine.folding import folded
from statemachine.loading import examine, fit

__all__ = ["InstanceFacts", "View", "instance_facts"]

LOOK_BACK_MAX = 1_000  # versions asked for the last one that fits its class; further back it would hardly be offered


@frozen
class InstanceFacts:
    """What was found about one instance. Texts are reasons; None where all is well."""

    instance: str
    workflow: str
    version: int
    configuration: str
    hash: bytes
    outcome: str | None
    head: HeadFacts  # of the head as it stands, or as it would after the repair
    broken_chain: str | None = None  # damage that nothing repairs
    torn_tail: str | None = None  # the newest row is damaged, everything before it is sound
    is_vouched: bool = False  # head and seal prove each other, without the torn row
    differs: str | None = None  # the head disagrees with its journal, which is sound
    broken_key: str | None = None
    sound_version: int = 0  # the last version that is provably sound
    loses: tuple[str, ...] = field(factory=tuple)  # what going back to it would lose
    rows: int = 0  # rows and stubs that are kept for it; 0 at level `heads`
    proof: Proof | None = None  # what a repair is made of
    checkpoints: tuple[DamagedCheckpoint, ...] = ()  # those that do not prove; looked for at level `full`


class View:
    """One read view of a store, and what is asked of it more than once."""

    def __init__(self, reader: Reader, *, definitions: Mapping[str, Definition], full: bool, has_sql: bool) -> None:
        self.reader = reader
        self.definitions = definitions
        self.full = full
        self.has_sql = has_sql
        self.charts: Charts = charts_of(reader, (one.chart for one in definitions.values()))

    def again(self, reader: Reader) -> "View":
        """Return a later view, for one instance that has not moved: what was asked of the whole store still holds."""
        view = View(reader, definitions=self.definitions, full=self.full, has_sql=self.has_sql)
        for name in ("lane", "counts"):
            if name in vars(self):  # else it is asked of the later reader: ours is closed by then
                setattr(view, name, vars(self)[name])
        return view

    @cached_property
    def lane(self) -> LaneFacts:
        """The order of commits."""
        return lane_facts(self.reader.lane())

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows are kept for each instance."""
        return self.reader.row_counts()


def instance_facts(view: View, instance: str) -> InstanceFacts | None:
    """Gather the facts of one instance; None if there is none of that id. What cannot be read is a fact too."""
    try:
        head = view.reader.head(instance)
        return None if head is None else _facts(view, head)
    except Corrupt as error:
        rows = view.counts.get(instance, 0) if view.full else 0
        return InstanceFacts(instance, "", 0, "", b"", None, HeadFacts(), broken_chain=str(error), rows=rows)


def _facts(view: View, head: Head) -> InstanceFacts:
    definition = view.definitions.get(head.workflow)
    found = InstanceFacts(
        instance=head.instance,
        workflow=head.workflow,
        version=head.version,
        configuration=head.configuration,
        hash=head.hash,
        outcome=head.outcome,
        head=_examined(view, head, definition),
        sound_version=head.version,
    )
    is_damaged = judge_head(found.head).verdict is Verdict.QUARANTINED
    if not view.full:
        return _deep(view, found, head, is_led=True) if is_damaged else found
    return _whole(view, found, head, is_damaged=is_damaged)


def _whole(view: View, found: InstanceFacts, head: Head, *, is_damaged: bool) -> InstanceFacts:
    """Add what the whole chain says, as the head's pointers lead along it, and its keys."""
    count, stubs = view.counts.get(head.instance, 0), view.reader.stubs(head.instance)
    chain = _chain(view, head, stubs)
    is_led = _reaches(chain, head)
    is_all = is_led and sum(isinstance(one, Row) for one in chain.standing) == count
    found = evolve(found, rows=count + len(stubs))
    if is_damaged or not is_all:
        found = _deep(view, found, head, is_led=is_led)
    standing = chain.standing if found.proof is None else found.proof.chain.standing
    found = evolve(found, checkpoints=damaged_checkpoints(view.reader, head, standing))
    if found.broken_chain is not None:
        return found
    return evolve(found, broken_key=_broken_key(view, head, standing))


def _examined(view: View, head: Head, definition: Definition | None) -> HeadFacts:
    try:
        return examine(head, definition, source=view.reader, has_sql=view.has_sql)
    except Corrupt as error:
        return HeadFacts(mark=head.quarantine, broken_link=str(error), has_class=definition is not None)


def _chain(view: View, head: Head, stubs: Sequence[Stub]) -> Chain:
    """Walk the journal as the head's pointers lead."""
    try:
        rows = view.reader.journal(head.instance)
    except Corrupt as error:
        return Chain(reason=str(error))
    return walk(head, rows, stubs, charts=view.charts, lane=view.lane)


def _reaches(chain: Chain, head: Head) -> bool:
    """Say whether a chain leads to the head and ends there."""
    standing = chain.standing
    if chain.reason is not None or not len(standing) == head.version > 0 or standing[-1].hash != head.hash:
        return False
    # The counts of patches are proven by nothing but the rows that they count.
    counted = (chain.folding.patches, chain.folding.patched)
    return isinstance(standing[-1], Stub) or counted == (head.patches, head.patched)


def _deep(view: View, found: InstanceFacts, head: Head, *, is_led: bool) -> InstanceFacts:
    """Add what the rows prove on their own, and judge the head that would stand after a repair.

    `is_led` says that the head's own pointers lead to its rows, as far as they were followed.
    """
    definition = view.definitions.get(head.workflow)
    has_link = found.head.broken_link is None
    proof = prove(head, view.reader, charts=view.charts, lane=view.lane)
    found = evolve(
        found,
        broken_chain=proof.broken,
        torn_tail=proof.torn,
        is_vouched=proof.stub is not None,
        differs=proof.differs,
        sound_version=len(proof.chain.standing),
        loses=proof.loses,
        proof=proof,
    )
    is_lost = proof.broken is not None or (proof.torn is not None and proof.stub is None)
    if proof.head is None or proof.image is None or is_lost:
        return evolve(found, head=HeadFacts(mark=head.quarantine, has_class=definition is not None))
    if proof.head == head and is_led and has_link:
        found = evolve(found, differs=None)  # what is wrong is in the data; or a row stands beside the chain
    told = proof.chain.standing[-1] if proof.torn is None else None
    record = told.record if isinstance(told, Row) else None
    facts = fit(
        proof.head,
        definition,
        image=proof.image,
        source=view.reader,
        has_sql=view.has_sql,
        told=(None, None) if record is None else (record.actor, record.note),
    )
    found = evolve(found, head=facts)
    if judge_head(evolve(facts, mark=None)).verdict is Verdict.QUARANTINED:
        return _looking_back(view, found, head)
    return found


def _looking_back(view: View, found: InstanceFacts, head: Head) -> InstanceFacts:
    """Find the last version whose image fits its class: what stands above is well chained, and wrong."""
    definition = view.definitions.get(head.workflow)
    assert found.proof is not None
    standing = found.proof.chain.standing
    for place in range(len(standing) - 1, max(-1, len(standing) - 1 - LOOK_BACK_MAX), -1):
        row = standing[place]
        if isinstance(row, Stub) or definition is None:
            continue
        try:
            folding = folded([one for one in standing[: place + 1] if isinstance(one, Row)])
            earlier = head_of(row, head, folding=folding, previous=b"", charts=view.charts)
        except DataError:
            continue
        told, image = (row.record.actor, row.record.note), folding.encoded()
        facts = fit(earlier, definition, image=image, source=view.reader, has_sql=view.has_sql, told=told)
        if judge_head(evolve(facts, mark=None)).verdict is not Verdict.QUARANTINED:
            lost = [one for one in standing[place + 1 :] if isinstance(one, Row)]
            loses = tuple(f"version {one.record.version}: {one.record.event}" for one in lost)
            return evolve(found, sound_version=place + 1, loses=(*loses, *found.loses))
    return evolve(found, sound_version=0)


def _broken_key(view: View, head: Head, standing: Sequence[Row | Stub]) -> str | None:
    """Compare keys with the rows that they answer for, both ways, and their digests with the payloads."""
    try:
        keys = view.reader.keys(head.instance)
    except Corrupt as error:
        return str(error)
    definition = view.definitions.get(head.workflow)
    if not keys and head.outcome is not None:
        return None  # they are kept for some time after its end
    versions = max(len(standing), head.version)  # the head's own row may be torn
    stubs = {one.version: one.n for one in standing if isinstance(one, Stub)}
    by_version = {one.record.version: one for one in standing if isinstance(one, Row)}
    for key in keys:
        row = by_version.get(key.version)
        is_placed = 0 < key.version <= versions and stubs.get(key.version, key.n) == key.n
        reason = _wrong_key(key, row, definition=definition) if is_placed else "answers for another version"
        if reason is not None:
            return f"key {key.key!r} of version {key.version} {reason}"
    answered = {(key.version, key.kind) for key in keys}
    lost = (version for version, row in by_version.items() if _kind(row) and (version, _kind(row)) not in answered)
    missing = next(lost, None)
    return None if missing is None else f"version {missing} was sent with a key that is not on record"


def _kind(row: Row) -> str:
    """Return the kind of key that a row answers for; empty where it has none."""
    return "start" if row.record.version == 1 else "send" if row.record.key is not None else ""


def _wrong_key(key: KeyRecord, row: Row | None, *, definition: Definition | None) -> str | None:
    if row is None:
        return None  # of a row that was set aside only the hash is known
    if row.record.after != key.after:
        return "answers for another version"
    if key.kind != _kind(row) or (key.is_told and key.key != (row.record.key or "")):
        return f"answers for a transition that was sent with {row.record.key!r}"
    if key.error != loads(row.record.body).get("error"):
        return "answers with another error than the journal's"
    if key.time != row.record.time:
        return "has another time than its transition"
    return _wrong_payload(key, row, definition)


def _wrong_payload(key: KeyRecord, row: Row, definition: Definition | None) -> str | None:
    body = loads(row.record.body)  # an object: its image was hashed
    if "event" not in body:
        return "answers for a row without a payload"
    if definition is None or definition.fingerprint != row.record.fingerprint:
        return None
    try:
        digest = definition.digest_of(row.record.event, body["event"])
    except DataError:
        return None  # a validator, which is no part of a definition, takes it no longer: nothing to compare
    return None if digest == key.digest else "stands for another payload than the journal's"
