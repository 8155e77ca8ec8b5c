"""Variables and their parts: what a name means, what can be assigned to, and what is kept.

Data is values, not references: what is assigned to a variable of the data model, or to a part of one, is a copy. With
references two variables could be one list until the next event, and two lists from then on, when both were stored.
"""

import math
import re
from collections.abc import Mapping, MutableSequence, Sequence
from typing import cast

from attrs import define, field, frozen

from statemachine.scxml.budget import Budget, EvaluationError
from statemachine.scxml.library import FUNCTIONS, OBJECTS, Native, spent_text
from statemachine.scxml.syntax import Expression, Function, Literal, Member, Name
from statemachine.scxml.values import UNDEFINED, Value, text_of, type_name

__all__ = ["Places", "World"]

_INDEX = re.compile("0|[1-9][0-9]{0,8}")
DEPTH_MAX = 80  # of what is kept: the codec takes 100 levels, and some stand around it
INDEX_MAX = 100_000  # a list has no holes: one that grew to a far index would be filled up


@frozen(eq=False)
class World:
    """What a tree can reach."""

    variables: dict[str, Value]  # of the data model; those that are declared and have no value are UNDEFINED
    declared: frozenset[str]
    system: Mapping[str, Value]  # _event and its like: read, never assigned
    functions: Mapping[str, Function]  # of the document
    natives: Mapping[str, Native]  # of this instance: In
    budget: Budget
    is_readonly: bool = False  # in conditions


@define(eq=False)
class Places:
    """What names and parts mean in one world."""

    world: World
    scopes: list[dict[str, Value]] = field(factory=lambda: list[dict[str, Value]]([{}]))  # locals of functions

    def value(self, tree: Expression) -> Value:
        """Return the value of an expression."""
        raise NotImplementedError

    def assign(self, tree: Name | Member, value: Value) -> None:
        """Assign to a variable or a part of one. Raises EvaluationError, FrameError (PF461)."""
        if isinstance(tree, Name):
            self._assign_name(tree, value)
        else:
            self._assign_member(tree, value)

    def declare(self, name: str, value: Value) -> None:
        """Make a variable of the data model, or assign to it."""
        kept = self.copied(value)
        if kept is UNDEFINED and name in self.world.declared:
            self.world.variables.pop(name, None)  # what is not there is undefined: JSON has no word for it
        else:
            self.world.variables[name] = None if kept is UNDEFINED else kept

    def name(self, tree: Name) -> Value:
        """A variable, or a function."""
        name, world = tree.name, self.world
        for known in (self.scopes[-1], world.system, world.variables):
            if name in known:
                return known[name]
        if name in world.declared or name == "undefined":
            return UNDEFINED
        if name in {"NaN", "Infinity"}:
            return math.nan if name == "NaN" else math.inf
        found = world.functions.get(name) or world.natives.get(name) or FUNCTIONS.get(name)
        if found is None:
            raise EvaluationError(f"{name} is not defined", at=tree.at)
        return found

    def member(self, tree: Member) -> Value:
        """`a.b`, `a[b]`."""
        found = self.library_member(tree)
        if found is not None:
            return found
        owner = self.value(tree.owner)
        if owner is None or owner is UNDEFINED:
            raise EvaluationError(f"{text_of(owner)} has no parts", at=tree.at)
        key = self.key_of(tree)
        if isinstance(owner, dict):
            return cast("dict[str, Value]", owner).get(key, UNDEFINED)
        if isinstance(owner, str | list):
            return self.item(cast("Sequence[Value]", owner), key)
        return UNDEFINED

    def library_member(self, tree: Member) -> Value | None:
        """Return what an object of the language holds; None where the owner is none, or a variable hides it."""
        if not isinstance(tree.owner, Name) or not isinstance(tree.key, Literal):
            return None
        name = tree.owner.name
        holder = OBJECTS.get(name)
        if holder is None or name in self.scopes[-1] or name in self.world.variables or name in self.world.declared:
            return None
        found = holder.get(str(tree.key.value))
        if found is None:
            raise EvaluationError(f"{name} has no {tree.key.value!r} here", at=tree.at)
        return found

    def item(self, owner: Sequence[Value], key: str) -> Value:
        """Return a part of a list or a text; UNDEFINED where there is none."""
        if key == "length":
            return len(owner)
        index = int(key) if _INDEX.fullmatch(key) else len(owner)
        return owner[index] if index < len(owner) else UNDEFINED

    def key_of(self, tree: Member) -> str:
        """Return the name of a part. Raises EvaluationError."""
        return spent_text(self.world.budget, self.value(tree.key))

    def _assign_name(self, tree: Name, value: Value) -> None:
        name = tree.name
        if name in self.scopes[-1]:
            self.scopes[-1][name] = value
            return
        self.check_writable(tree.at)
        if name in self.world.system:
            raise EvaluationError(f"{name} cannot be assigned to", at=tree.at)
        if name not in self.world.declared and name not in self.world.variables:
            raise EvaluationError(f"{name} is not declared; add <data id={name!r}/>", at=tree.at)
        self.declare(name, value)

    def _assign_member(self, tree: Member, value: Value) -> None:
        owner, key = self.changeable(tree), self.key_of(tree)
        if isinstance(owner, dict):
            self.world.budget.spend_text(len(key))
            parts = cast("dict[str, Value]", owner)
            parts[key] = self.copied(value)
            if parts[key] is UNDEFINED:
                del parts[key]
            return
        if not isinstance(owner, list):
            raise EvaluationError(f"a {type_name(owner)} has no parts that can be assigned to", at=tree.at)
        items = cast("MutableSequence[Value]", owner)
        if not _INDEX.fullmatch(key) or int(key) > INDEX_MAX:
            raise EvaluationError(f"a list has no part {key[:20]!r} that can be assigned to", at=tree.at)
        index = int(key)
        self.world.budget.spend(max(index - len(items), 0))
        items.extend([None] * (index + 1 - len(items)))
        items[index] = self.kept(value)

    def changeable(self, tree: Member) -> Value:
        """Return the owner of a part that is to be changed. Raises EvaluationError."""
        root: Expression = tree
        while isinstance(root, Member):
            root = root.owner
        if isinstance(root, Name) and root.name in self.world.system:
            raise EvaluationError(f"{root.name} cannot be changed", at=tree.at)
        self.check_writable(tree.at)
        return self.value(tree.owner)

    def check_writable(self, at: int) -> None:
        """Raise EvaluationError in a condition."""
        if self.world.is_readonly:
            raise EvaluationError("a condition only reads", at=at)

    def kept(self, value: Value) -> Value:
        """Return a copy of a value that is to be kept in a list: what is undefined is null there."""
        found = self.copied(value)
        return None if found is UNDEFINED else found

    def copied(self, value: Value, *, depth: int = 0) -> Value:
        """Return a copy of a value that is to be kept; what has no JSON is refused."""
        self.world.budget.spend(1)
        if depth > DEPTH_MAX:
            raise EvaluationError(f"what is nested deeper than {DEPTH_MAX} levels cannot be kept in the data model")
        match value:
            case list():
                items = cast("Sequence[Value]", value)
                return [self.copied(None if one is UNDEFINED else one, depth=depth + 1) for one in items]
            case dict():
                entries = cast("dict[str, Value]", value).items()
                return {key: self.copied(one, depth=depth + 1) for key, one in entries if one is not UNDEFINED}
            case float() if not math.isfinite(value):
                raise EvaluationError(f"{text_of(value)} cannot be kept in the data model")
            case int() if abs(value) > 2**63 - 1:
                return float(value)
            case str():
                self.world.budget.spend_text(len(value))
                return value
            case None | bool() | int() | float():
                return value
            case _ if value is UNDEFINED:
                return value
            case _:
                raise EvaluationError("a function cannot be kept in the data model")
