"""Repairs one instance: one transaction, which looks again before it writes and says in the journal what it did.

A repair is a transition of its own, at the next version: `perdure.rebuilt` or `perdure.kept`. It changes neither
configuration nor data; its payload says what was found. So the repair is sealed and chained like everything else, keys
and versions go on, and nobody takes a repaired instance for one that was never damaged.

  REBUILT       the damaged head is kept as found; the head that the journal proves takes its place
  KEPT AT HEAD  the damaged row is kept as found and leaves a stub; the head stands
  QUARANTINED   a mark; nothing else is written

Nothing is written if version or hash of the head, or the verdict, are not what was found before: a live writer has
moved on, or another recovery was here. A crash leaves the whole repair or nothing of it.
"""

import os

from persistence import Quarantine, Store, Transaction
from recovery.facts import InstanceFacts, View, instance_facts
from recovery.verdict import judge
from statemachine.admission import Judgement, Verdict
from statemachine.checkpoints import DamagedCheckpoint
from statemachine.drafting import Notice, draft_notice

__all__ = ["KEPT", "REBUILT", "mend", "resume"]

REBUILT = "perdure.rebuilt"
KEPT = "perdure.kept"
ACTOR = "perdure.recover"


def resume(store: Store, view: View, facts: InstanceFacts, *, time: int) -> str:
    """Repair or set aside one instance; return what was done, empty where nothing was. Durable on return."""
    with store.transaction() as transaction, store.reader() as reader:
        again = instance_facts(view.again(reader), facts.instance)
        if again is None or again.head.mark is not None or (again.version, again.hash) != (facts.version, facts.hash):
            return ""
        judgement = judge(again)
        if judgement != judge(facts):
            return ""
        if judgement.verdict is Verdict.QUARANTINED:
            transaction.quarantine(Quarantine(again.instance, judgement.reason, again.sound_version, time))
            transaction.commit()
            return "set aside"
        head = None if again.proof is None else again.proof.head
        text = None if head is None else reader.definition(head.fingerprint)
        image = None if again.proof is None else again.proof.image
        if head is None or image is None or text is None:
            return ""
        done = _write(transaction, again, judgement, time=time)
        if done:
            event = REBUILT if judgement.verdict is Verdict.REBUILT else KEPT
            told = {"reason": judgement.reason, "version": again.version, "hash": again.hash.hex()}
            notice = Notice(event, told, ACTOR, time, store.facts.epoch, os.urandom(16), image)
            draft = draft_notice(head, notice, definition=text, after=head.configuration, outcome=head.outcome)
            transaction.append([draft])
            transaction.commit()
        return done


def _write(transaction: Transaction, facts: InstanceFacts, judgement: Judgement, *, time: int) -> str:
    """Write what the verdict says, short of the transition that tells of it."""
    proof = facts.proof
    if proof is None or proof.head is None:
        return ""
    if judgement.verdict is Verdict.REBUILT:
        transaction.rebuild(proof.head, rows=proof.rows, reason=judgement.reason, time=time)
        return f"rebuilt from its journal, recorded as version {proof.head.version + 1}"
    if judgement.verdict is Verdict.KEPT_AT_HEAD and proof.stub is not None:
        transaction.set_aside(proof.stub, rows=proof.rows, reason=judgement.reason, time=time)
        return f"row set aside, recorded as version {proof.head.version + 1}"
    return ""


def mend(transaction: Transaction, damaged: DamagedCheckpoint, *, time: int) -> bool:
    """Keep a checkpoint as found and write what is proven in its place; say whether that could be done."""
    if damaged.proven is None:
        return False
    proven = (damaged.proven.version, damaged.proven.hash, damaged.proven.image)
    transaction.mend_checkpoint(damaged.instance, damaged.label, proven, reason=damaged.reason, time=time)
    return True
