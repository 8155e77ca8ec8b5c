"""From a decision to what is appended: the record, its place in the chain, its keys. Pure."""

from attrs import frozen

from persistence.records import KIND_IMAGE, Draft, KeyRecord, Record, digests, head_hash
from statemachine.codec import dumps
from statemachine.decide import Decision
from statemachine.definition import Definition
from statemachine.events import START, Request
from statemachine.frame import Attempt
from statemachine.loading import configuration_text

__all__ = ["Link", "draft"]


@frozen(eq=False)
class Link:
    """Where in which chain a transition is written."""

    previous: bytes  # the hash before it
    secret: bytes
    epoch: int
    incarnation: int
    token: bytes  # of the run and its counter


def draft(
    definition: Definition, attempt: Attempt, decision: Decision, *, image: bytes, request: Request, link: Link
) -> Draft:
    """Return what is to be appended for a decision. Pure."""
    record = Record(
        instance=attempt.id,
        workflow=definition.name,
        version=attempt.version,
        fingerprint=definition.fingerprint,
        event=request.name,
        before=configuration_text(decision.macrostep.before, memory=attempt.memory),
        after=configuration_text(decision.macrostep.after, memory=decision.macrostep.memory),
        revision=definition.revision,
        epoch=link.epoch,
        incarnation=link.incarnation,
        key=request.key,
        actor=request.actor,
        note=request.note,
        time=attempt.time,
        token=link.token,
        kind=KIND_IMAGE,
        body=_body(decision, request.payload, image),
    )
    rest, digest = digests(record)
    row_hash = head_hash(link.previous, digest, image)
    return Draft(
        record=record,
        previous_hash=link.previous,
        rest_digest=rest,
        hash=row_hash,
        image=image,
        outcome=decision.macrostep.outcome,
        secret=link.secret,
        definition=definition.chart.text,
        keys=_keys(record, row_hash, request, error=decision.error),
    )


def _body(decision: Decision, payload: bytes, image: bytes) -> bytes:
    error = b"" if decision.error is None else b'"error":' + dumps(decision.error) + b","
    return b"{" + error + b'"event":' + payload + b',"image":' + image + b"}"


def _keys(record: Record, row_hash: bytes, request: Request, *, error: str | None) -> tuple[KeyRecord, ...]:
    """Return the key of a start, or of an event that was sent with one."""
    if request.name == START:
        kind, key = "start", ""
    elif request.key is not None:
        kind, key = "send", request.key
    else:
        return ()
    return (
        KeyRecord(
            instance=record.instance,
            kind=kind,
            key=key,
            version=record.version,
            digest=request.digest,
            after=record.after,
            hash=row_hash,
            error=error,
            time=record.time,
        ),
    )
