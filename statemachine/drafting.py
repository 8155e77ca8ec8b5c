"""What is appended, from what was decided or a notice: the record, its place in the chain, its keys. Pure."""

from collections.abc import Mapping

from attrs import define

from persistence.records import (
    KIND_IMAGE,
    KIND_PATCH,
    Draft,
    Head,
    KeyRecord,
    Record,
    digests,
    head_of,
    image_digest,
    stub_hash,
)
from statemachine.codec import dumps
from statemachine.definition import Definition
from statemachine.errors import DataError
from statemachine.events import START, Request
from statemachine.limits import PATCHES_MAX, WHOLE_BYTES_MAX, Limits
from statemachine.loading import Loaded, configuration_text
from statemachine.patches import diff, diff_fields
from statemachine.runner import FrameRunner
from statemachine.step import Macrostep

__all__ = ["Notice", "draft", "draft_notice"]

_NONE = 0, 0  # patches since a whole image, and their bytes


def draft(
    definition: Definition,
    attempt: FrameRunner,
    done: Macrostep,
    *,
    image: tuple[bytes, tuple[bytes, ...]],
    request: Request,
    previous: bytes,
    before: Loaded | None,
    token: bytes,
    limits: Limits,
) -> Draft:
    """Return what is to be appended for an attempt and what it did. Raises DataError for data that is too large. Pure.

    `image` comes with the bytes of its fields, if known; `previous` is the hash before it and `before` the head, which
    a start has not; `token` is that of the run and its counter.
    """
    whole = image[0]
    size = len(whole)
    if size > limits.data_bytes_max:
        raise DataError(f"{definition.name}: the data would have {size} bytes; at most {limits.data_bytes_max}")
    body = _body(request.payload, image, error=attempt.error, before=before)
    configuration = "" if before is None else before.head.configuration
    record = _record(definition, attempt, done, request=request, before=configuration, token=token, body=body)
    proof = image_digest(whole)
    rest, digest = digests(record)
    head = head_of(
        record,
        (stub_hash(previous, digest + proof), previous, rest),
        (proof, whole if size <= limits.inline_bytes_max else None),
        secret=attempt.seed,
        outcome=done.outcome,
        patches=_NONE if body[0] == KIND_IMAGE or before is None else _more(before.head, body[1]),
    )
    keys = () if request.key is None and before is not None else _keys(record, request, error=attempt.error)
    return Draft(record, head, whole, definition.chart.text, keys)


def _record(
    definition: Definition,
    attempt: FrameRunner,
    done: Macrostep,
    *,
    request: Request,
    before: str,
    token: bytes,
    body: tuple[int, bytes],
) -> Record:
    return Record(  # in the order of its fields, as in `head_of`
        attempt.id,
        definition.name,
        attempt.version,
        definition.fingerprint,
        request.name,
        before,
        configuration_text(done.after, memory=done.memory) if done.memory else configuration_text(done.after),
        definition.revision,
        attempt.numbers[0],
        attempt.numbers[1],
        request.key,
        request.actor,
        request.note,
        attempt.time,
        token,
        body[0],
        body[1],
    )


def _more(head: Head, body: bytes) -> tuple[int, int]:
    """Count one patch more than a head does."""
    return head.patches + 1, head.patched + len(body)


@define(eq=False)
class Notice:
    """What a journal tells of its instance by no event of its own: that it was ended from outside, or repaired."""

    event: str
    told: Mapping[str, object]
    actor: str | None
    time: int
    epoch: int
    token: bytes
    image: bytes  # of its data, which stays; written whole, so that nothing later is folded over what was before


def draft_notice(head: Head, notice: Notice, *, definition: str, after: str, outcome: str | None) -> Draft:
    """Return what is to be appended behind a head that is proven, by no rule of its chart. Pure."""
    record = Record(
        instance=head.instance,
        workflow=head.workflow,
        version=head.version + 1,
        fingerprint=head.fingerprint,
        event=notice.event,
        before=head.configuration,
        after=after,
        revision=head.revision,
        epoch=notice.epoch,
        incarnation=head.incarnation,
        key=None,
        actor=notice.actor,
        note=None,
        time=max(notice.time, head.time),
        token=notice.token,
        kind=KIND_IMAGE,
        body=b'{"event":' + dumps(notice.told) + b',"image":' + notice.image + b"}",
    )
    rest, digest = digests(record)
    proof = image_digest(notice.image)
    chained = (stub_hash(head.hash, digest + proof), head.hash, rest)
    image = (proof, None if head.image is None else notice.image)
    after_it = head_of(record, chained, image, secret=head.secret, outcome=outcome)
    return Draft(record, after_it, notice.image, definition)


def _body(
    payload: bytes, image: tuple[bytes, tuple[bytes, ...]], *, error: str | None, before: Loaded | None
) -> tuple[int, bytes]:
    """Return the kind of a body, and the body: the patch, or the whole image where that is due or no longer."""
    told = b'{"event":' + payload
    if error is not None:
        told = b'{"error":' + dumps(error) + b',"event":' + payload
    whole, parts = image
    if len(whole) > WHOLE_BYTES_MAX and before is not None:
        patch = _patch(before, whole, parts)
        if patch is not None:
            return KIND_PATCH, told + b',"patch":' + patch + b"}"
    return KIND_IMAGE, told + b',"image":' + whole + b"}"


def _patch(before: Loaded, image: bytes, parts: tuple[bytes, ...]) -> bytes | None:
    """Return what changed; None where the whole image is shorter, or due: what follows the newest one outweighs it."""
    head = before.head
    if head.patched >= len(image) or head.patches >= PATCHES_MAX:
        return None
    if head.fingerprint != before.definition.fingerprint:
        return None  # the data may have been encoded anew, and patches go onto what is stored
    if parts and before.parts:
        patch: bytes | None = diff_fields(before.definition.field_keys, before.parts, parts)
    else:
        patch = diff(before.image, image)
    return patch if patch is not None and len(patch) < len(image) else None


def _keys(record: Record, request: Request, *, error: str | None) -> tuple[KeyRecord, ...]:
    """Return the key of a start, or of an event that was sent with one."""
    if request.name == START:
        kind, key = "start", ""
    elif request.key is not None:
        kind, key = "send", request.key
    else:
        return ()
    return (KeyRecord(record.instance, kind, key, record.version, request.digest, record.after, error, record.time),)
