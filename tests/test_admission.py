"""Every combination of facts about a head gets one verdict, the most severe one; the table is total."""

import itertools
from typing import Any

import attrs
import pytest

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
        HeadFacts(**dict(zip(names, given, strict=True)), has_class=has_class, same_fingerprint=same)
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
    assert names == {*DAMAGE, *MISFIT, "has_class", "same_fingerprint"}


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


@pytest.mark.parametrize("broken", ["broken_chain", "broken_key"])
def test_a_broken_chain_or_key_outweighs_what_the_head_says(broken: str) -> None:
    facts = InstanceFacts("i", "Order", 3, "cart", b"", None, HeadFacts(same_fingerprint=False, illegal="x"))
    changes: dict[str, Any] = {broken: "torn"}
    assert judge(attrs.evolve(facts, **changes)) == Judgement(Verdict.QUARANTINED, "torn")


def test_a_mark_that_stands_keeps_its_reason() -> None:
    facts = InstanceFacts("i", "Order", 3, "cart", b"", None, HeadFacts(mark="marked"), broken_chain="torn")
    assert judge(facts) == Judgement(Verdict.QUARANTINED, "marked")
