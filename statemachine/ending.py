"""Ending an instance from outside: `terminate`, for one that its own rules cannot bring to an end.

One transition, `perdure.terminate`, whose payload says why. States and data stay as they are and no callback runs, not
even an invariant: an instance that breaks one, or no longer fits its class, is what this is for. Only what does not
prove itself is refused: nothing is written over damage.

The end is part of where the instance stands, `loading.TERMINATED_MARK`, which its hash covers: an outcome that was
changed afterwards is seen like any other change, and a repair carries it on.
"""

from collections.abc import Sequence

from persistence import Draft, Head, Row, Transaction
from statemachine.admission import Verdict, judge_head
from statemachine.definition import Definition
from statemachine.drafting import Notice, draft_notice
from statemachine.errors import Refused
from statemachine.loading import TERMINATED, TERMINATED_MARK, configuration_of, examine
from statemachine.transition import Transition

__all__ = ["TERMINATE", "check_sound", "end_of", "ended_by"]

TERMINATE = "perdure.terminate"


def end_of(transaction: Transaction, definition: Definition | None, *, head: Head, end: Notice) -> Draft | None:
    """Return the transition that ends an instance whose head is sound; None where it was terminated before.

    `definition` is that of its class, where the engine has it. Raises Refused.
    """
    if head.configuration.endswith(TERMINATED_MARK):
        return None
    if head.outcome is not None:
        state = configuration_of(head.configuration)
        raise Refused("instance_final", f"{head.instance!r} ended as {head.outcome}", state=state, version=head.version)
    text = transaction.definition(head.fingerprint)
    if definition is not None and definition.fingerprint == head.fingerprint:
        text = definition.chart.text
    assert text is not None  # it was judged by it
    return draft_notice(head, end, definition=text, after=head.configuration + TERMINATED_MARK, outcome=TERMINATED)


def check_sound(head: Head, transaction: Transaction) -> None:
    """Judge a head that was read from the store, whether it fits its class or not. Raises Refused."""
    judgement = judge_head(examine(head, None, source=transaction, has_sql=False))
    if judgement.verdict is not Verdict.NOT_READ:
        repair = "nothing was written over it; perdure recover FILE MODULE:CLASS repairs what can be repaired"
        reason = f"{head.instance!r}: {judgement.reason}; {repair}"
        raise Refused("instance_unsound", reason, version=head.version)


def ended_by(rows: Sequence[Row]) -> Transition:
    """Return the transition that terminated an instance, of its journal. Raises Refused where it was set aside."""
    row = next((row for row in reversed(rows) if row.record.event == TERMINATE), None)
    if row is None:
        raise Refused("instance_final", "it was terminated; the row that says why was damaged and set aside")
    return Transition(row.record, row.hash, replayed=True)
