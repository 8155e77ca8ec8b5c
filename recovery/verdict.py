"""What follows from the facts of an instance: a total table, most severe first. Pure.

| facts                                                             | verdict                              |
|-------------------------------------------------------------------|--------------------------------------|
| a mark stands · chain, key, hash, link or stored definition broken | QUARANTINED                          |
| sound, its class not given                                        | NOT READ                             |
| fits no longer: lower revision, other fingerprint and no fit      | NEEDS MIGRATION                      |
| same fingerprint and illegal, unreadable or an invariant broken   | QUARANTINED                          |
| fits under another fingerprint                                    | RESUMED                              |
| all fine                                                          | CLEAN                                |

What only a head can tell is judged by `statemachine.admission`, so that engine and recovery cannot disagree.
"""

from recovery.facts import InstanceFacts
from statemachine.admission import Judgement, Verdict, judge_head

__all__ = ["judge"]


def judge(facts: InstanceFacts) -> Judgement:
    """Return the verdict on one instance. Pure."""
    head = judge_head(facts.head)
    if facts.head.mark is not None:
        return head
    damage = facts.broken_chain or facts.broken_key
    if damage is not None:
        return Judgement(Verdict.QUARANTINED, damage)
    return head
