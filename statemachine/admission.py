"""Judging one head before it is used: facts in, verdict out. Pure; asked by the engine and by recovery alike.

The engine calls it at each first load of an instance and never repairs: what is not sound it does not load. Recovery
judges with the same table and adds what takes more than a head to know.

A head is sound if and only if its hash follows from its own parts (INV-3), its journal row has that hash and version
(INV-4), its configuration is legal (INV-8), its data is readable and its invariants hold. Whether a damaged head can be
repaired takes its whole journal: recovery alone answers REBUILT and KEPT AT HEAD.
"""

from enum import Enum

from attrs import define, frozen

__all__ = ["HeadFacts", "Judgement", "Verdict", "judge_head"]


class Verdict(Enum):
    """What becomes of an instance."""

    CLEAN = "CLEAN"  # all is as it was written
    RESUMED = "RESUMED"  # sound, and fits a chart with another fingerprint; recorded by its next transition
    NOT_READ = "NOT READ"  # sound as far as can be told without its class
    NEEDS_MIGRATION = "NEEDS MIGRATION"  # sound, but does not fit this class; another process's class may
    REBUILT = "REBUILT"  # its head disagreed with its sound journal, and is made from it
    KEPT_AT_HEAD = "KEPT AT HEAD"  # its newest row is damaged, and its head proven without it
    QUARANTINED = "QUARANTINED"  # damaged; set aside


@define
class HeadFacts:
    """What was found about one head. Texts are reasons; None where all is well.

    Written by who gathers them: not frozen, because each first load of an instance makes one.
    """

    mark: str | None = None  # a quarantine mark that stands
    broken_hash: str | None = None
    broken_link: str | None = None
    unknown_definition: str | None = None
    illegal_as_stored: str | None = None  # under the definition that wrote it
    image: bytes | None = None  # the data as it is stored, whole; None where the head does not lead to it
    has_class: bool = True
    same_fingerprint: bool = True
    lower_revision: str | None = None
    illegal: str | None = None  # under the class's chart
    unreadable: str | None = None
    broken_invariant: str | None = None  # one said no
    unanswered_invariant: str | None = None  # one raised: a fault of its code or of the store's, not of the instance


@frozen
class Judgement:
    """A verdict and its reason."""

    verdict: Verdict
    reason: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether the engine may load the instance."""
        return self.verdict in {Verdict.CLEAN, Verdict.RESUMED}


def judge_head(facts: HeadFacts) -> Judgement:
    """Return the verdict on one head, the most severe reason first. Pure."""
    damage = facts.mark or facts.broken_hash or facts.broken_link or facts.unknown_definition or facts.illegal_as_stored
    if damage is not None:
        return Judgement(Verdict.QUARANTINED, damage)
    if not facts.has_class:
        return Judgement(Verdict.NOT_READ, "its class was not given: chain and configuration are sound, data not read")
    damage = facts.illegal or facts.unreadable or facts.broken_invariant
    misfit = facts.lower_revision or damage or facts.unanswered_invariant
    if misfit is None:
        return Judgement(Verdict.CLEAN if facts.same_fingerprint else Verdict.RESUMED)
    if facts.same_fingerprint and facts.lower_revision is None and damage is not None:
        return Judgement(Verdict.QUARANTINED, misfit)
    return Judgement(Verdict.NEEDS_MIGRATION, misfit)
