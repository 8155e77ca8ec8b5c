"""JSON Schema (draft 2020-12) of what the codec accepts, from the same kinds.

What the codec accepts the schema accepts. The schema also accepts a little more, because it cannot say it: 1.0 for an
integer, days that do not exist, texts of another form for the same value (base64, Decimal), equal values in a set whose
texts differ or that holds classes or numbers of two kinds, an int that no float holds, a lone surrogate, whatever
validators of a class refuse, and what is too deep.
"""

import inspect
import json
from contextlib import suppress
from typing import Any

from attrs import define, field

from statemachine._codec.kinds import (
    ANYTHING,
    TAG,
    Choice,
    Custom,
    Entries,
    Items,
    Kind,
    Member,
    Record,
    Row,
    Scalar,
    Union,
)
from statemachine._codec.scalars import INTEGER_MAX, Stored
from statemachine._codec.writing import JSON, writer

__all__ = ["DIALECT", "schema_of"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

BOUNDS: Schema = {"minimum": -INTEGER_MAX - 1, "maximum": INTEGER_MAX}


def schema_of(kind: Kind) -> Schema:
    """Return the JSON Schema of a kind. Pure."""
    schemas = _Schemas()
    top = schemas.record(kind) if isinstance(kind, Record) else schemas.of(kind)
    if isinstance(kind, Record) and (id(kind), None) in schemas.names:  # it is referred to from inside
        top = schemas.of(kind)
    definitions = {"$defs": schemas.definitions} if schemas.definitions else {}
    return {"$schema": DIALECT, **top, **definitions}


@define(eq=False)
class _Schemas:
    definitions: Schema = field(factory=Schema)
    names: dict[tuple[int, str | None], str] = field(factory=dict[tuple[int, str | None], str])  # of the definitions

    def of(self, kind: Kind, *, tag: str | None = None) -> Schema:
        match kind:
            case Scalar():
                return {"type": kind.shape, **(BOUNDS if kind.word == "int" else {})}
            case Stored():
                return {"type": kind.shape, **kind.schema}
            case Choice():
                return {"enum": [plain for _, plain in kind.options]}
            case Items():
                item = self.of(kind.item)
                return {"type": "array", "items": item, **(_unique(item) if kind.kind in {set, frozenset} else {})}
            case Row():
                parts = {"prefixItems": [self.of(one) for one in kind.items]} if kind.items else {}
                return {"type": "array", **parts, "items": False, "minItems": len(kind.items)}
            case Entries():
                return self.entries(kind)
            case Union():
                members = kind.members if kind is not ANYTHING else ()
                return {"anyOf": [self.of(one, tag=kind.tag(one)) for one in members]} if members else {}
            case Custom():
                return self.of(kind.stored)
            case Record():
                return {"$ref": f"#/$defs/{self.named(kind, tag)}"}

    def entries(self, kind: Entries) -> Schema:
        if kind.form == "pairs":
            pair = self.of(Row((kind.key, kind.value)))
            return {"type": "array", "items": pair, **_unique(pair)}
        names: Schema = {"pattern": "^(0|-?[1-9][0-9]*)$"} if kind.form == "digits" else self.of(kind.key)
        return {"type": "object", "propertyNames": names, "additionalProperties": self.of(kind.value)}

    def named(self, kind: Record, tag: str | None) -> str:
        name = self.names.get((id(kind), tag))
        if name is None:
            same = sum(one.partition(".")[0] == kind.kind.__name__ for one in self.names.values())
            name = self.names[id(kind), tag] = f"{kind.kind.__name__}.{same + 1}" if same else kind.kind.__name__
            self.definitions[name] = {}  # in the order in which they are met
            self.definitions[name] = self.record(kind, tag=tag)
        return name

    def record(self, kind: Record, *, tag: str | None = None) -> Schema:
        tagged = {} if tag is None else {TAG: {"const": tag}}
        text = vars(kind.kind).get("__doc__") or ""
        made_up = text.startswith(f"{kind.kind.__name__}(")  # what a dataclass says where nobody wrote anything
        return {
            "title": kind.kind.__name__,
            **({"description": inspect.cleandoc(text)} if text and not made_up else {}),
            "type": "object",
            "properties": {**tagged, **{one.name: self.property(one) for one in kind.members}},
            "required": [*tagged, *(one.name for one in kind.members if one.default is None)],
            "additionalProperties": False,
        }

    def property(self, member: Member) -> Schema:
        """Return the schema of a field, with its default if that is one value and fits the field's own type."""
        schema = self.of(member.kind)
        if member.default is None or not member.default.is_value:
            return schema
        with suppress(Exception):  # of checks, and of functions of a CustomType
            schema["default"] = writer(member.kind, JSON)(member.default.value)
        return schema


def _unique(item: Schema) -> Schema:
    """Return the keyword that no two items are equal, where a schema means by it what we do.

    To a schema 1 equals 1.0, which can be a timedelta beside a float; what a class holds is not looked at.
    """
    text = json.dumps(item)
    return {} if "$ref" in text or ('"integer"' in text and '"number"' in text) else {"uniqueItems": True}
