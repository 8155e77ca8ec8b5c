"""What follows from the facts of an instance: a total table, most severe first. Pure.

| facts                                                                          | verdict           |
|--------------------------------------------------------------------------------|-------------------|
| a mark stands                                                                  | QUARANTINED       |
| a row of the chain, or a key, is damaged or lost                               | QUARANTINED       |
| the newest row is, and head and seal do not prove each other                   | QUARANTINED       |
| the head as it stands, or would after the repair, is itself damage             | QUARANTINED       |
| the newest row is damaged or lost, head and seal prove each other              | KEPT AT HEAD      |
| the head disagrees with its journal, which is sound                            | REBUILT           |
| sound, its class not given                                                     | NOT READ          |
| fits no longer: lower revision, other fingerprint and no fit                   | NEEDS MIGRATION   |
| fits under another fingerprint                                                 | RESUMED           |
| all fine                                                                       | CLEAN             |

What only a head can tell is judged by `statemachine.admission`, so that engine and recovery cannot disagree: a head is
damage where its configuration is illegal, its data unreadable or an invariant broken under the same fingerprint. What
a repair gives is judged again when it is done: a head can be rebuilt without its class, and fit it no longer.
"""

from recovery.facts import InstanceFacts
from statemachine.admission import Judgement, Verdict, judge_head

__all__ = ["judge"]


def judge(facts: InstanceFacts) -> Judgement:
    """Return the verdict on one instance. Pure."""
    head = judge_head(facts.head)
    lost = facts.broken_chain or facts.broken_key or (None if facts.is_vouched else facts.torn_tail)
    table = (
        (facts.head.mark, Verdict.QUARANTINED),
        (lost, Verdict.QUARANTINED),
        (head.reason if head.verdict is Verdict.QUARANTINED else None, Verdict.QUARANTINED),
        (facts.torn_tail, Verdict.KEPT_AT_HEAD),
        (facts.differs, Verdict.REBUILT),
    )
    return next((Judgement(verdict, reason) for reason, verdict in table if reason is not None), head)
