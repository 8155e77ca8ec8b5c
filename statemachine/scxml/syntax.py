"""The tree of an expression or a script: what the parser makes and the evaluator walks. Pure data.

`at` is the place in the source, in characters from 0, of what an error would be about.
"""

from typing import TypeAlias

from attrs import frozen

__all__ = [
    "Array",
    "Assign",
    "Binary",
    "Block",
    "Call",
    "Conditional",
    "Declare",
    "Evaluate",
    "Expression",
    "Function",
    "If",
    "Jump",
    "Literal",
    "Logical",
    "Loop",
    "Member",
    "Name",
    "Object",
    "Return",
    "Statement",
    "Unary",
    "Update",
]


@frozen
class Literal:
    """A value that stands in the source: null, a boolean, a number or a text."""

    value: bool | int | float | str | None


@frozen
class Name:
    """A variable, or a function of the document or of the language."""

    name: str
    at: int


@frozen
class Array:
    """A list."""

    items: "tuple[Expression, ...]"


@frozen
class Object:
    """An object; of two entries with one key the later one counts."""

    entries: "tuple[tuple[str, Expression], ...]"


@frozen
class Unary:
    """One operator before one operand: `!`, `-`, `+`, `typeof`, `delete`."""

    operator: str
    operand: "Expression"
    at: int


@frozen
class Binary:
    """Two operands, both evaluated."""

    operator: str
    left: "Expression"
    right: "Expression"


@frozen
class Logical:
    """`&&` and `||`: the right operand is evaluated only where the left one does not decide."""

    operator: str
    left: "Expression"
    right: "Expression"


@frozen
class Conditional:
    """`test ? yes : no`."""

    test: "Expression"
    yes: "Expression"
    no: "Expression"


@frozen
class Member:
    """A part of an object, a list or a text: `o.key`, `o["key"]`, `o[0]`."""

    owner: "Expression"
    key: "Expression"
    at: int


@frozen
class Call:
    """A call of a function of the document or of the language."""

    function: "Expression"
    arguments: "tuple[Expression, ...]"
    at: int


@frozen
class Assign:
    """`target = value`, or with an operator: `target += value`."""

    operator: str  # empty for `=`
    target: "Name | Member"
    value: "Expression"


@frozen
class Update:
    """`x++`, `--x`."""

    operator: str  # + or -
    target: "Name | Member"
    is_prefix: bool


Expression: TypeAlias = (
    Literal | Name | Array | Object | Unary | Binary | Logical | Conditional | Member | Call | Assign | Update
)


@frozen
class Declare:
    """`var`, `let` or `const`. A `var` outside of functions is a variable of the data model."""

    word: str
    name: str
    value: Expression | None
    at: int


@frozen
class Evaluate:
    """An expression as a statement."""

    expression: Expression


@frozen
class If:
    """`if` with its `else`."""

    test: Expression
    yes: "Statement"
    no: "Statement | None"


@frozen
class Loop:
    """`while` and `for`."""

    first: "tuple[Statement, ...]"
    test: Expression | None
    after: Expression | None
    body: "Statement"


@frozen
class Jump:
    """`break` or `continue` of the innermost loop."""

    word: str


@frozen
class Return:
    """The end of a function."""

    value: Expression | None


@frozen
class Block:
    """Statements in braces, or those of a whole script."""

    statements: "tuple[Statement, ...]"


@frozen
class Function:
    """A function of the document. It is part of the definition, not of the data."""

    name: str
    parameters: tuple[str, ...]
    body: Block
    at: int


Statement: TypeAlias = Declare | Evaluate | If | Loop | Jump | Return | Block | Function
