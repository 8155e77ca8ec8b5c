"""What is the case: facts of one instance, gathered read-only. Nothing is judged here.

All facts of an instance come from one read view. At level `heads` the head and its journal row are examined; at `full`
every row is: the chain is recomputed from version 1, each image is folded and each configuration checked against the
definition that wrote it. Where anything is wrong, `evidence` is asked what the rows prove on their own, at both levels.
Guards and actions never run, so new code cannot rewrite history.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from attrs import evolve, field, frozen

from persistence import Corrupt, Head, Reader, Row, Stub
from persistence.lane import LaneFacts, lane_facts
from recovery.evidence import Proof, Traces, damaged_places, head_of, prove, traces_of
from statemachine.admission import HeadFacts, Verdict, judge_head
from statemachine.answers import broken_key
from statemachine.chains import Chain, Charts, charts_of, walk
from statemachine.checkpoints import DamagedCheckpoint, damaged_checkpoints
from statemachine.definition import Definition
from statemachine.errors import DataError
from statemachine.folding import folded
from statemachine.loading import examine, fit

__all__ = ["InstanceFacts", "View", "facts_of", "instance_facts"]

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
        self.traces: Traces | None = None  # of the instances that had a closer look
        self._earlier: Traces | None = None  # of an earlier view

    def again(self, reader: Reader) -> "View":
        """Return a later view, for one instance that has not moved: what was asked of the whole store still holds."""
        view = View(reader, definitions=self.definitions, full=self.full, has_sql=self.has_sql)
        for name in ("lane", "counts"):
            if name in vars(self):  # else it is asked of the later reader: ours is closed by then
                setattr(view, name, vars(self)[name])
        view._earlier = self.traces
        return view

    def look_closer(self, heads: Sequence[Head]) -> None:
        """Look for the rows of some instances, all at once.

        A seal that does not follow accuses every row of its commit; where one of them does not follow in its own
        journal, that is what was changed, and the others are cleared.
        """
        self.traces = traces_of(self.reader, heads, earlier=self._earlier)
        if self.lane.has_doubts:
            self.lane = self.lane.explained(damaged_places(self.reader, heads, self.traces))

    @cached_property
    def lane(self) -> LaneFacts:
        """The order of commits."""
        return lane_facts(self.reader.lane())

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows are kept for each instance."""
        return self.reader.row_counts()


def facts_of(
    view: View, instances: Sequence[str], *, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[int, InstanceFacts]]:
    """Gather the facts of instances, each with its place among them; those that need a closer look come last.

    The closer look is at journal and lane, once for all of them. An id that there is none of is left out; what cannot
    be read is a fact too.
    """
    suspects = list[tuple[int, Head]]()
    for place, instance in enumerate(instances):
        try:
            head = view.reader.head(instance)
            facts = None if head is None else _facts(view, head)
            suspects += [(place, head)] if facts is None and head is not None else []
        except Corrupt as error:
            facts = _unreadable(view, instance, error)
        if facts is not None:
            yield place, facts
        if progress is not None:
            progress(place + 1, len(instances))
    if suspects:
        view.look_closer([head for _, head in suspects])
    for place, head in suspects:
        try:
            facts = _facts(view, head)
        except Corrupt as error:
            facts = _unreadable(view, head.instance, error)
        assert facts is not None
        yield place, facts


def instance_facts(view: View, instance: str) -> InstanceFacts | None:
    """Gather the facts of one instance; None if there is none of that id."""
    return next((facts for _, facts in facts_of(view, [instance])), None)


def _unreadable(view: View, instance: str, error: Corrupt) -> InstanceFacts:
    rows = view.counts.get(instance, 0) if view.full else 0
    return InstanceFacts(instance, "", 0, "", b"", None, HeadFacts(), broken_chain=str(error), rows=rows)


def _facts(view: View, head: Head) -> InstanceFacts | None:
    """Gather the facts of an instance; None where it needs a closer look than the view has had."""
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
    if view.full:
        return _whole(view, found, head, is_damaged=is_damaged)
    return _deep(view, found, head, is_led=True) if is_damaged else found


def _whole(view: View, found: InstanceFacts, head: Head, *, is_damaged: bool) -> InstanceFacts | None:
    """Add what the whole chain says, as the head's pointers lead along it, and its keys."""
    count, stubs = view.counts.get(head.instance, 0), view.reader.stubs(head.instance)
    chain = _chain(view, head, stubs)
    is_led = chain.reaches(head)
    is_all = is_led and sum(isinstance(one, Row) for one in chain.standing) == count
    found = evolve(found, rows=count + len(stubs))
    if is_damaged or not is_all:
        deep = _deep(view, found, head, is_led=is_led)
        if deep is None:
            return None
        found = deep
    standing = chain.standing if found.proof is None else found.proof.chain.standing
    found = evolve(found, checkpoints=damaged_checkpoints(view.reader, head, standing))
    if found.broken_chain is not None:
        return found
    return evolve(found, broken_key=broken_key(view.reader, head, standing, definitions=view.definitions))


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


def _deep(view: View, found: InstanceFacts, head: Head, *, is_led: bool) -> InstanceFacts | None:
    """Add what the rows prove on their own, and judge the head that would stand after a repair.

    None where nobody has looked for its rows yet.
    `is_led` says that the head's own pointers lead to its rows, as far as they were followed.
    """
    if view.traces is None or head.instance not in view.traces.places:
        return None
    definition = view.definitions.get(head.workflow)
    has_link = found.head.broken_link is None
    proof = prove(head, view.reader, view.traces, charts=view.charts, lane=view.lane)
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
