"""Kinds become functions: generated text, because a call per field and check would cost three times as much.

What is common to both directions stands here; `writing` and `reading` say what each kind becomes. The functions
say only *that* something does not fit (`MisfitError`); where and why is found afterwards, by `misfits`. No text of a
user gets into the code but as a literal (`repr`); everything else is reached through names that are made here.
"""

from collections.abc import Callable
from typing import Any, cast

from attrs import define, field, frozen

from statemachine._codec.kinds import NOTHING, Kind, Row, Scalar, Union, python_types
from statemachine._codec.scalars import INTEGER_MAX

__all__ = ["CHECKS", "Body", "MisfitError", "Program", "is_checked_only"]


PAD_MAX = 4 * 50  # Python reads no block that is 100 levels deep: what stands deeper is called


class MisfitError(ValueError):
    """A value does not fit its kind; says no more."""


CHECKS = {  # scalars that are their own plain form, and when one does not fit
    "bool": "{x} is not True and {x} is not False",
    "int": f"type({{x}}) is not int or not {-INTEGER_MAX - 1} <= {{x}} <= {INTEGER_MAX}",
    "str": "type({x}) is not str",
    "none": "{x} is not None",
}


def is_checked_only(kind: Kind) -> bool:
    """Say whether a value of a kind is its own plain form. Pure."""
    if isinstance(kind, Union):
        return all(map(is_checked_only, kind.members))
    return isinstance(kind, Scalar) and kind.word in CHECKS


@frozen(eq=False)
class Body:
    """Lines of a function, at one depth of its blocks."""

    lines: list[str] = field(factory=list[str])
    pad: str = "    "

    def add(self, text: str) -> None:
        """Add a line."""
        self.lines.append(self.pad + text)

    def refuse(self, condition: str) -> None:
        """Add a check: what it holds for does not fit."""
        self.add(f"if {condition}:")
        self.inner().add("raise Misfit")

    def inner(self) -> "Body":
        """Return the same function, one block deeper."""
        return Body(self.lines, self.pad + "    ")


@define(eq=False)
class Program:
    """Functions that are being generated, and what their text refers to.

    `emit_…(kind, x, body)`, one for each kind, adds lines that turn the variable `x` into what it becomes.
    """

    names: dict[str, Any] = field(factory=lambda: {"Misfit": MisfitError})
    functions: dict[int, str] = field(factory=dict[int, str])  # id of a kind -> its function
    kept: list[Kind] = field(factory=list[Kind])  # an id is unique while its object lives
    texts: list[str] = field(factory=list[str])
    count: int = 0

    def fresh(self) -> str:
        """Return a name for a variable."""
        self.count += 1
        return f"x{self.count}"

    def named(self, thing: object) -> str:
        """Return a name for an object."""
        name = f"n{len(self.names)}"
        self.names[name] = thing
        return name

    def function(self, kind: Kind) -> str:
        """Return the name of a kind's function, which is made if it is not known."""
        name = self.functions.get(id(kind))
        if name is None:
            name = self.functions[id(kind)] = f"f{len(self.functions)}"
            self.kept.append(kind)
            body = Body()
            self.fill(kind, body)
            self.texts.append("\n".join([f"def {name}({self.parameters(kind)}):", *body.lines]))
        return name

    def parameters(self, kind: Kind) -> str:
        """Return what a kind's function takes."""
        del kind
        return "x"

    def made(self, kind: Kind) -> Callable[[Any], Any]:
        """Return the function of a kind."""
        return cast("Callable[[Any], Any]", self.compiled(self.function(kind)))

    def compiled(self, name: str) -> Callable[..., object]:
        """Return the function of a name, once all texts are complete."""
        exec(compile("\n".join(self.texts), "<codec>", "exec"), self.names)  # noqa: S102  # see the module's head
        made: Callable[..., object] = self.names[name]
        return made

    def guarded(self, kind: Kind, refuse: Callable[[Any, Exception], Exception]) -> Callable[[Any], Any]:
        """Return the function of a kind; what it raises is given to `refuse` with the value, and its answer raised.

        The `try` stands in the function itself: around it, it would be a call more.
        """
        self.names["refuse"] = refuse
        body = Body()
        body.add("given = x")
        body.add("try:")
        self.fill(kind, body.inner())
        body.add("except Exception as error:")
        body.inner().add("raise refuse(given, error) from error")
        self.texts.append("\n".join([f"def guarded({self.parameters(kind)}):", *body.lines]))
        return cast("Callable[[Any], Any]", self.compiled("guarded"))

    def fill(self, kind: Kind, body: Body) -> None:
        """Add the lines of a function of `x`."""
        self.emit(kind, "x", body)
        body.add("return x")

    def emit(self, kind: Kind, x: str, body: Body) -> None:
        """Add lines that turn the variable `x` into what it becomes."""
        if len(body.pad) > PAD_MAX:
            body.add(f"{x} = {self.function(kind)}({x})")
            return
        getattr(self, f"emit_{type(kind).__name__.lower()}")(kind, x, body)

    # -- what both directions share ------------------------------------------------------------------------------------

    def emit_record(self, kind: Kind, x: str, body: Body) -> None:
        """Call the function of a class: it may be one that calls itself."""
        body.add(f"{x} = {self.function(kind)}({x})")

    def emit_looked_up(self, table: dict[tuple[type, object], Any], x: str, body: Body) -> None:
        """Take what stands for a value in a table; a KeyError would write out a value of any length."""
        name = self.named(table)
        body.refuse(f"(type({x}), {x}) not in {name}")
        body.add(f"{x} = {name}[type({x}), {x}]")

    def emit_each(self, kind: Kind, x: str, body: Body) -> None:
        """Turn each item of a collection; what only needs a check stays where it is."""
        one = self.fresh()
        if is_checked_only(kind):
            body.add(f"for {one} in {x}:")
            self.emit(kind, one, body.inner())
        else:
            body.add(f"{x} = [{self.function(kind)}({one}) for {one} in {x}]")

    def emit_parts(self, kind: Row, x: str, body: Body) -> str:
        """Turn each item of a sequence of fixed length; return the text of a list of them."""
        body.refuse(f"len({x}) != {len(kind.items)}")
        parts = [self.fresh() for _ in kind.items]
        body.add(f"[{', '.join(parts)}] = {x}")
        for part, inner in zip(parts, kind.items, strict=True):
            self.emit(inner, part, body)
        return f"[{', '.join(parts)}]"

    def emit_union(self, kind: Union, x: str, body: Body) -> None:
        """Tell the members apart; None, the usual one, is looked for first."""
        members = kind.members
        if members[-1] is NOTHING:
            body.add(f"if {x} is not None:")
            body, members = body.inner(), members[:-1]
        if len(members) == 1:
            self.emit(members[0], x, body)
            return
        cls, word = self.fresh(), "if"
        body.add(f"{cls} = type({x})")
        for member in members:
            body.add(f"{word} {self.condition(kind, member, x=x, cls=cls)}:")
            self.emit_member(member, kind.tag(member), x=x, body=body.inner())
            word = "elif"
        body.add("else:")
        body.inner().add("raise Misfit")

    def condition(self, kind: Union, member: Kind, *, x: str, cls: str) -> str:
        """Return when `x`, whose class is in the variable `cls`, belongs to a member of a union."""
        raise NotImplementedError

    def by_class(self, kind: Union, member: Kind, cls: str) -> str:
        """Return `condition` for values as they are: the class says to which member one belongs."""
        wanted = sorted(python_types(member), key=lambda one: one.__qualname__)
        if wanted == [float] and int not in python_types(kind):
            wanted.append(int)
        return " or ".join(f"{cls} is {self.named(one)}" for one in wanted) or "False"

    def emit_member(self, member: Kind, tag: str | None, *, x: str, body: Body) -> None:
        """Turn `x`, which belongs to a member of a union that is stored under a tag, or under none."""
        raise NotImplementedError
