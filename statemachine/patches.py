"""What changed between two images, as a patch, and the image again from it. Both are bytes; nothing is parsed. Pure.

A patch is a JSON object of forms, each of them an object from keys to operands; what is empty is left out:

  set     {"key": value}                  the key has this value; one that was not there is added at the end
  drop    {"key": null}                   the key is gone
  add     {"key": [item, …] or "text"}    the items are appended to the list, the text to the text
  splice  {"key": [from, to, [item, …]]}  the items take the place of those from `from` up to `to` of the list
  in      {"key": patch}                  the object there is changed by a patch of its own

Keys of data stand only inside of a form, so none can be taken for a form's name.

Fields and items are compared and moved as they are encoded, so that what a fold gives is exactly the bytes that the
patch was made of: nothing is ever encoded again. `diff` tells only what `fold` gives back by construction: a value that
is set, a text or list that begins with the old one's bytes, items that are equal as bytes. Where the order of keys does
not follow it gives up, and the image is written whole.

A value's end is found by its brackets, in one step of a regular expression down to a few levels; its quantifiers are
possessive, so nothing is tried twice, whatever the bytes are. Of the image after, what stands as it stood before is not
looked into at all, and of a text or list that grew only what was appended: what begins with the same bytes is read the
same way.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn, Union

from statemachine.errors import DataError

__all__ = ["Image", "Listed", "diff", "diff_fields", "fields_of", "fold", "last_of"]

LEVELS = 4  # of objects and lists that one match passes; deeper ones are entered step by step
# Up to the first quote, if that ends it: ten times as fast as looking at each byte for a backslash.
_REST_OF_STRING = rb'(?:[^"]*+(?<!\\)"|[^"\\]*+(?:\\.[^"\\]*+)*+")'
_STRING = rb'"' + _REST_OF_STRING
_SCALARS = rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+'  # whatever holds no bracket


def _nested(levels: int) -> tuple[bytes, bytes]:
    """Return the patterns of an object or list of so many levels, and of what may stand in one beside others."""
    content = nested = _SCALARS
    for _ in range(levels):
        nested = rb"[\[{]" + content + rb"[\]}]"
        content = _SCALARS + rb"(?:" + nested + _SCALARS + rb")*+"
    return nested, content


_NESTED, _CONTENT = _nested(LEVELS)
_VALUE = rb"(?:" + _STRING + rb"|" + _NESTED + rb"|[-+.\w]++)"
_key = re.compile(_STRING + rb":", re.DOTALL).match
_value = re.compile(_VALUE, re.DOTALL).match
_content = re.compile(_CONTENT, re.DOTALL).match
_rest_of_string = re.compile(_REST_OF_STRING, re.DOTALL).match
# All of an object or list in one call. What cannot be passed is taken to the end, as nothing: then nothing is tried
# twice here either, and the last one found tells that it is to be gone through one by one.
_ALL = rb"(?:,(?!\Z)|\Z)|.++"
_all_items = re.compile(rb"(" + _VALUE + rb")" + _ALL, re.DOTALL).findall
_all_fields = re.compile(rb"(" + _STRING + rb"):(" + _VALUE + rb")" + _ALL, re.DOTALL).findall

_COMMA, _OBJECT, _LIST, _TEXT, _END_OBJECT, _END_LIST = b',{["}]'
_OPENING, _GROWING = b"{[", b'["'


def _bad(raw: bytes, at: int) -> NoReturn:
    raise ValueError(f"no encoding at {at} of {len(raw)} bytes")


def _end(raw: bytes, at: int, *, depth: int = 0) -> int:
    """Return where an object or list ends that begins here, or that is open so many levels deep."""
    while True:
        found = _content(raw, at) if depth else None
        at = at if found is None else found.end()
        depth += 1 if raw[at] in _OPENING else -1
        at += 1
        if depth == 0:
            return at


def _end_of(raw: bytes, at: int) -> int:
    """Return where the value ends that begins here."""
    found = _value(raw, at)
    return _end(raw, at) if found is None else found.end()


def _end_of_grown(raw: bytes, at: int, was: bytes) -> int | None:
    """Return where a value ends that begins with all of an earlier text or list; None where it does not, or of "[]"."""
    if was[0] == _TEXT and raw.startswith(was[:-1], at):
        found = _rest_of_string(raw, at + len(was) - 1)
        return None if found is None else found.end()
    if was[0] == _LIST and len(was) > len(b"[]") and raw.startswith(was[:-1], at):
        at += len(was) - 1
        return _end(raw, at + 1, depth=1) if raw[at] == _COMMA else None
    return None


def _end_like(raw: bytes, at: int, was: bytes) -> int | None:
    """Return where a value ends that is an earlier one, or one that has grown; None where it must be looked into."""
    end = at + len(was)
    if raw.startswith(was, at) and raw[end] in b",}":
        return end
    return _end_of_grown(raw, at, was)


_NOTHING: dict[bytes, bytes] = {}


def fields_of(raw: bytes, *, like: dict[bytes, bytes] = _NOTHING) -> dict[bytes, bytes]:
    """Return the fields of an encoded object: each key, as it is encoded, to its value. Raises ValueError, IndexError.

    `like` are those of an object that it may be much the same as: what is, is not looked into.
    """
    found: dict[bytes, bytes] = {}
    if raw == b"{}":
        return found
    at, last = 1, len(raw) - 1
    if raw[0] != _OBJECT or raw[last] != _END_OBJECT:
        _bad(raw, 0)
    if not like and (every := _all_fields(raw, 1, last)) and every[-1][0]:
        return dict(every)
    while True:
        one = _key(raw, at)
        if one is None:
            _bad(raw, at)
        key, start = raw[at : one.end() - 1], one.end()
        was = like.get(key)
        end = (None if was is None else _end_like(raw, start, was)) or _end_of(raw, start)
        found[key] = raw[start:end]
        if end == last:
            return found
        if raw[end] != _COMMA:
            _bad(raw, end)
        at = end + 1


def last_of(raw: bytes, key: bytes) -> bytes | None:
    """Return the value of the last field of an encoded object, if that is its key; it is not looked into.

    Raises ValueError, IndexError.
    """
    at = 1
    while (one := _key(raw, at)) is not None:
        if raw[at : one.end() - 1] == key:
            return raw[one.end() : -1]
        at = _end_of(raw, one.end()) + 1
    return None


class Listed(bytes):
    """An encoded list that knows its items: nobody has to look for where they end."""

    items: Sequence[bytes]

    @classmethod
    def of(cls, items: Sequence[bytes]) -> "Listed":
        """Return the list of these."""
        made = cls(b"[" + b",".join(items) + b"]")
        made.items = items
        return made


def _items(raw: bytes) -> Sequence[bytes]:
    """Return the items of an encoded list."""
    return raw.items if type(raw) is Listed else _found_items(raw)


def _found_items(raw: bytes) -> list[bytes]:
    found: list[bytes] = []
    if raw == b"[]":
        return found
    at, last = 1, len(raw) - 1
    if raw[0] != _LIST or raw[last] != _END_LIST:
        _bad(raw, 0)
    if (every := _all_items(raw, 1, last)) and every[-1]:
        return every
    while True:
        end = _end_of(raw, at)
        found.append(raw[at:end])
        if end == last:
            return found
        if raw[end] != _COMMA:
            _bad(raw, end)
        at = end + 1


# -- from two images to a patch ----------------------------------------------------------------------------------------


def diff(before: bytes, after: bytes) -> bytes | None:
    """Return the patch that leads from one image to another; None where only the whole image tells it. Pure.

    Raises DataError for what is no canonical encoding.
    """
    if before[:1] != b"{" or after[:1] != b"{":
        return None
    try:
        return _diff(before, after)
    except (ValueError, IndexError, RecursionError) as error:
        raise DataError(f"no patch can be made of it: {error}") from error


def diff_fields(keys: Sequence[bytes], before: Sequence[bytes], after: Sequence[bytes]) -> bytes:
    """Return the patch between two images of the same fields, given their values one by one. Pure."""
    told: dict[bytes, list[bytes]] = {}
    for key, was, value in zip(keys, before, after, strict=True):
        if was is not value and was != value:
            form, operand = _change(was, value)
            told.setdefault(form, []).append(key + b":" + operand)
    return _written(told)


def _written(told: dict[bytes, list[bytes]]) -> bytes:
    return b"{" + b",".join(b'"' + form + b'":{' + b",".join(told[form]) + b"}" for form in told) + b"}"


def _diff(before: bytes, after: bytes) -> bytes | None:
    old = fields_of(before)
    new = fields_of(after, like=old)
    kept = [key for key in old if key in new]
    if list(new)[: len(kept)] != kept:
        return None
    told: dict[bytes, list[bytes]] = {}
    for key, value in new.items():
        was = old.get(key)
        if was != value:
            form, operand = (b"set", value) if was is None else _change(was, value)
            told.setdefault(form, []).append(key + b":" + operand)
    if len(kept) < len(old):
        told[b"drop"] = [key + b":null" for key in old if key not in new]
    return _written(told)


def _change(was: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return the shortest form that leads from one value to another, and its operand."""
    form, operand = b"set", value
    if was[0] == value[0]:
        kind = was[0]
        if kind == _OBJECT:
            nested = _diff(was, value)
            form, operand = (b"set", value) if nested is None else (b"in", nested)
        elif kind == _TEXT and value.startswith(was[:-1]):
            form, operand = b"add", b'"' + value[len(was) - 1 :]
        elif kind == _LIST and was == b"[]":
            form = b"add"
        elif kind == _LIST and value.startswith(was[:-1] + b","):
            form, operand = b"add", b"[" + value[len(was) :]
        elif kind == _LIST:
            form, operand = b"splice", _splice(was, value)
    return (form, operand) if len(operand) < len(value) else (b"set", value)


def _splice(was: bytes, value: bytes) -> bytes:
    old, new = _items(was), _items(value)
    first, last, shorter = 0, 0, min(len(old), len(new))
    while first < shorter and old[first] == new[first]:
        first += 1
    shorter -= first
    while last < shorter and old[-1 - last] == new[-1 - last]:
        last += 1
    items = b",".join(new[first : len(new) - last])
    return b"[%d,%d,[%s]]" % (first, len(old) - last, items)


# -- from an image and its patches to an image -------------------------------------------------------------------------

Value = Union[bytes, bytearray, list[bytes], "Fields"]
"""An encoded value, one that texts or items were appended to, a list that was opened, an object that was opened."""

Fields = dict[bytes, Value]


class Image:
    """An image that patches are folded onto: its fields as they are encoded, opened only where a patch leads."""

    __slots__ = ("_fields",)

    def __init__(self, raw: bytes) -> None:
        try:
            self._fields: Fields = {**fields_of(raw)}
        except (ValueError, IndexError) as error:
            raise DataError(f"an image cannot be read: {error}") from error

    def fold(self, patch: bytes) -> None:
        """Change it by a patch. Raises DataError for one that does not fit, and is of no use then."""
        try:
            _fold(self._fields, patch)
        except (ValueError, IndexError, KeyError, RecursionError) as error:
            raise DataError(f"a patch does not fit: {error!r}") from error

    def copy(self) -> "Image":
        """Return one that can be changed without changing this one."""
        found = Image(b"{}")
        found._fields = _copied(self._fields)
        return found

    def encoded(self) -> bytes:
        """Return its bytes."""
        return _encoded(self._fields)


def fold(image: bytes, patches: Iterable[bytes]) -> bytes:
    """Return an image after patches, the oldest first. Raises DataError where one does not fit. Pure."""
    found = Image(image)
    for patch in patches:
        found.fold(patch)
    return found.encoded()


def _misfit(reason: str) -> NoReturn:
    raise ValueError(reason)


def _fold(fields: Fields, patch: bytes) -> None:
    for form, operands in fields_of(patch).items():
        change = FORMS[form]
        for key, operand in fields_of(operands).items():
            change(fields, key, operand)


def _set(fields: Fields, key: bytes, operand: bytes) -> None:
    fields[key] = operand


def _drop(fields: Fields, key: bytes, _operand: bytes) -> None:
    del fields[key]


def _add(fields: Fields, key: bytes, operand: bytes) -> None:
    value = fields[key]
    if isinstance(value, list):
        value.extend(_items(operand))
    elif isinstance(value, dict) or value[0] != operand[0] or value[0] not in _GROWING:
        _misfit("what is appended to is another thing")  # a value of the file, not of Python
    elif value == b"[]":
        fields[key] = operand
    else:
        # Appended in place: one that grows is copied once, and not by each patch.
        grown = fields[key] = bytearray(value) if isinstance(value, bytes) else value
        grown[-1:] = operand[1:] if value[0] == _TEXT else b"," + operand[1:]


def _splice_in(fields: Fields, key: bytes, operand: bytes) -> None:
    value = fields[key]
    if isinstance(value, (bytes, bytearray)):
        value = fields[key] = _found_items(bytes(value))
    if not isinstance(value, list):
        _misfit("what is spliced is no list")
    first, last, items = _items(operand)
    value[int(first) : int(last)] = _items(items)


def _enter(fields: Fields, key: bytes, operand: bytes) -> None:
    value = fields[key]
    if isinstance(value, bytes):
        value = fields[key] = {**fields_of(value)}
    if not isinstance(value, dict):
        _misfit("what is entered is no object")
    _fold(value, operand)


FORMS: dict[bytes, Callable[[Fields, bytes, bytes], None]] = {
    b'"set"': _set,
    b'"drop"': _drop,
    b'"add"': _add,
    b'"splice"': _splice_in,
    b'"in"': _enter,
}


def _encoded(value: Value) -> bytes:
    if isinstance(value, dict):
        # Most were never opened, and are taken as they are.
        fields = [key + b":" + (one if type(one) is bytes else _encoded(one)) for key, one in value.items()]
        return b"{" + b",".join(fields) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(value) + b"]"
    return bytes(value)


def _copied(fields: Fields) -> Fields:
    found: Fields = {}
    for key, value in fields.items():
        found[key] = _copied(value) if isinstance(value, dict) else value[:]
    return found
