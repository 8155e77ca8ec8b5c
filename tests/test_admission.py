"""Every combination of facts about a head gets one verdict, the most severe one; the table is total."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

import attrs

from recovery.facts import InstanceFacts
from recovery.verdict import judge
from statemachine import HeadFacts, Judgement, Verdict
from statemachine.admission import judge_head

DAMAGE = ("mark", "broken_hash", "broken_link", "unknown_definition", "illegal_as_stored")
MISFIT = ("lower_revision", "illegal", "unreadable", "broken_invariant", "unanswered_invariant")


def every_head() -> list[HeadFacts]:
    """Return all 2^12 combinations."""
    names = (*DAMAGE, *MISFIT)
    reasons = itertools.product((None, "reason"), repeat=len(names))
    flags = itertools.product((True, False), repeat=2)
    return [
        HeadFacts(
            **cast("dict[str, Any]", dict(zip(names, given, strict=True))), has_class=has_class, same_fingerprint=same
        )
        for given, (has_class, same) in itertools.product(reasons, list(flags))
    ]


def expected(facts: HeadFacts) -> Verdict:
    """Say what the design says, in its words."""
    if any(getattr(facts, name) for name in DAMAGE):
        return Verdict.QUARANTINED
    if not facts.has_class:
        return Verdict.NOT_READ
    fits = not any(getattr(facts, name) for name in MISFIT)
    if fits:
        return Verdict.CLEAN if facts.same_fingerprint else Verdict.RESUMED
    is_damage = facts.illegal or facts.unreadable or facts.broken_invariant
    may_fit_elsewhere = facts.lower_revision is not None or not facts.same_fingerprint or not is_damage
    return Verdict.NEEDS_MIGRATION if may_fit_elsewhere else Verdict.QUARANTINED


def test_the_facts_are_those_of_the_table() -> None:
    names = {one.name for one in attrs.fields(HeadFacts)}
    assert names == {*DAMAGE, *MISFIT, "image", "has_class", "same_fingerprint"}


def test_every_combination_gets_the_verdict_of_the_design() -> None:
    heads = every_head()
    assert len(heads) == 2**12
    assert [judge_head(facts).verdict for facts in heads] == [expected(facts) for facts in heads]


def test_only_clean_and_resumed_are_loaded() -> None:
    usable = {verdict for verdict in Verdict if Judgement(verdict).is_usable}
    assert usable == {Verdict.CLEAN, Verdict.RESUMED}


def test_every_verdict_that_is_not_clean_gives_a_reason() -> None:
    for facts in every_head():
        judgement = judge_head(facts)
        assert judgement.reason or judgement.is_usable


REASONS = ("broken_chain", "broken_key", "torn_tail", "differs")
TOLD = {
    "instance",
    "workflow",
    "version",
    "configuration",
    "hash",
    "outcome",
    "sound_version",
    "loses",
    "checkpoints",
    "rows",
    "proof",
}
"""Facts of an instance that are told and not judged."""


def every_instance() -> Iterator[InstanceFacts]:
    """Yield all 2^17 combinations."""
    heads = every_head()
    for given in itertools.product((None, "reason"), repeat=len(REASONS)):
        reasons: dict[str, Any] = dict(zip(REASONS, given, strict=True))
        for is_vouched, head in itertools.product((False, True), heads):
            yield InstanceFacts("i", "Order", 3, "cart", b"", None, head, is_vouched=is_vouched, **reasons)


SEVERITY: list[tuple[Verdict, Callable[[InstanceFacts], object]]] = [
    (Verdict.QUARANTINED, lambda facts: facts.head.mark),
    (Verdict.QUARANTINED, lambda facts: facts.broken_chain or facts.broken_key),  # damage in the middle, or of a key
    (Verdict.QUARANTINED, lambda facts: facts.torn_tail and not facts.is_vouched),  # tail damaged otherwise
    (Verdict.QUARANTINED, lambda facts: expected(facts.head) is Verdict.QUARANTINED),  # the head that would stand
    (Verdict.KEPT_AT_HEAD, lambda facts: facts.torn_tail),
    (Verdict.REBUILT, lambda facts: facts.differs),
    (Verdict.NOT_READ, lambda facts: not facts.head.has_class),
    (Verdict.NEEDS_MIGRATION, lambda facts: expected(facts.head) is Verdict.NEEDS_MIGRATION),
    (Verdict.RESUMED, lambda facts: not facts.head.same_fingerprint),
    (Verdict.CLEAN, lambda _: True),
]
"""The design's table, in its order: the first line that holds."""


def test_the_facts_of_an_instance_are_those_of_the_table_or_only_told() -> None:
    names = {one.name for one in attrs.fields(InstanceFacts)}
    assert names == {*REASONS, *TOLD, "head", "is_vouched"}


def test_every_combination_of_facts_gets_the_most_severe_verdict_of_the_design() -> None:
    counts: Counter[Verdict] = Counter()
    for facts in every_instance():
        judgement = judge(facts)
        wanted = next(verdict for verdict, holds in SEVERITY if holds(facts))
        assert judgement.verdict is wanted, facts
        assert judgement.reason or judgement.is_usable
        counts[judgement.verdict] += 1
    assert counts.keys() == set(Verdict)
    assert counts.total() == 2**17


def test_a_table_in_another_order_would_be_noticed() -> None:
    wrong = [*SEVERITY[4:6], *SEVERITY[:4], *SEVERITY[6:]]
    assert any(judge(facts).verdict is not next(v for v, holds in wrong if holds(facts)) for facts in every_instance())


def test_a_mark_that_stands_keeps_its_reason() -> None:
    facts = InstanceFacts("i", "Order", 3, "cart", b"", None, HeadFacts(mark="marked"), broken_chain="torn")
    assert judge(facts) == Judgement(Verdict.QUARANTINED, "marked")
