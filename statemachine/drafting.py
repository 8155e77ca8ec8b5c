"""From a decision to what is appended: the record, its place in the chain, its keys. Pure."""

from attrs import define

from persistence.records import (
    KIND_IMAGE,
    KIND_PATCH,
    Draft,
    KeyRecord,
    Record,
    digests,
    image_digest,
    stub_hash,
)
from statemachine.codec import dumps
from statemachine.decide import Decision
from statemachine.definition import Definition
from statemachine.events import START, Request
from statemachine.frame import Attempt
from statemachine.limits import PATCHES_MAX, WHOLE_BYTES_MAX, Limits
from statemachine.loading import Loaded, configuration_text
from statemachine.patches import diff

__all__ = ["Link", "draft", "link_after"]


@define(eq=False)
class Link:
    """Where in which chain a transition is written. One is built for each event: hence not frozen."""

    previous: bytes  # the hash before it
    secret: bytes
    epoch: int
    incarnation: int
    token: bytes  # of the run and its counter
    image: bytes | None = None  # before it; None where only a whole image may follow
    patches: int = 0  # since the newest whole image
    patched: int = 0
    inline_bytes_max: int = Limits().inline_bytes_max


def link_after(loaded: Loaded, *, epoch: int, token: bytes, limits: Limits) -> Link:
    """Return the place after a head. Pure."""
    head, definition = loaded.head, loaded.definition
    # Under another definition the data may have been encoded anew, and patches go onto what is stored.
    image = loaded.image if head.fingerprint == definition.fingerprint else None
    counts = (head.patches, head.patched, limits.inline_bytes_max)
    return Link(head.hash, head.secret, epoch, head.incarnation, token, image, *counts)


def draft(definition: Definition, attempt: Attempt, decision: Decision, *, request: Request, link: Link) -> Draft:
    """Return what is to be appended for a decision. Pure."""
    (kind, body), proof = _body(decision, request.payload, link), image_digest(decision.image)
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
        kind=kind,
        body=body,
    )
    rest, digest = digests(record)
    return Draft(
        record=record,
        previous_hash=link.previous,
        rest_digest=rest,
        hash=stub_hash(link.previous, digest + proof),
        image=decision.image,
        outcome=decision.macrostep.outcome,
        secret=link.secret,
        definition=definition.chart.text,
        keys=_keys(record, request, error=decision.error),
        image_digest=proof,
        is_inline=len(decision.image) <= link.inline_bytes_max,
        patches=link.patches + 1 if kind == KIND_PATCH else 0,
        patched=link.patched + len(body) if kind == KIND_PATCH else 0,
    )


def _body(decision: Decision, payload: bytes, link: Link) -> tuple[int, bytes]:
    """Return the kind of a body, and the body: the patch, or the whole image where that is due or no longer."""
    error = b"" if decision.error is None else b'"error":' + dumps(decision.error) + b","
    told, image = b"{" + error + b'"event":' + payload, decision.image
    if len(image) > WHOLE_BYTES_MAX and link.image is not None:
        patch = _patch(link, image)
        if patch is not None:
            return KIND_PATCH, told + b',"patch":' + patch + b"}"
    return KIND_IMAGE, told + b',"image":' + image + b"}"


def _patch(link: Link, image: bytes) -> bytes | None:
    """Return what changed; None where the whole image is shorter, or due: what follows the newest one outweighs it."""
    if link.image is None or link.patched >= len(image) or link.patches >= PATCHES_MAX:
        return None
    patch = diff(link.image, image)
    return patch if patch is not None and len(patch) < len(image) else None


def _keys(record: Record, request: Request, *, error: str | None) -> tuple[KeyRecord, ...]:
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
            error=error,
            time=record.time,
        ),
    )
