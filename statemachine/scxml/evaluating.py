"""Walks the tree of an expression or a script: the restricted evaluator. No text is ever handed to Python.

A tree reaches the variables of the data model, parameters and locals of functions, the functions of the document and
those of `library`; nothing else has a name. Each node costs a step of the attempt's `Budget`, each text its characters.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from attrs import define

from statemachine.scxml.budget import CALLS_MAX, Budget, EvaluationError
from statemachine.scxml.library import CHANGING, METHODS, Native, spent_text
from statemachine.scxml.places import Places
from statemachine.scxml.syntax import (
    Array,
    Assign,
    Binary,
    Block,
    Call,
    Conditional,
    Declare,
    Evaluate,
    Expression,
    Function,
    If,
    Jump,
    Literal,
    Logical,
    Loop,
    Member,
    Name,
    Object,
    Return,
    Statement,
    Unary,
    Update,
)
from statemachine.scxml.values import (
    UNDEFINED,
    Value,
    add,
    compare,
    equals,
    is_true,
    number,
    number_of,
    same,
    type_name,
)

__all__ = ["Evaluator"]


def _quotient(left: float, right: float) -> float:
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _quotient,
    "%": lambda left, right: math.fmod(left, right) if right and math.isfinite(left) else math.nan,
}


@define(eq=False)
class _CompletedError(Exception):
    """No error: how a loop or a function ends."""

    word: str
    value: Value = UNDEFINED


@define(eq=False)
class Evaluator(Places):
    """Evaluates trees in one world."""

    # -- expressions ---------------------------------------------------------------------------------------------------

    def value(self, tree: Expression) -> Value:
        """Return the value of an expression. Raises EvaluationError, FrameError (PF461)."""
        self.world.budget.spend(1)
        return _VALUES[type(tree)](self, tree)

    def holds(self, tree: Expression) -> bool:
        """Return what a condition says. Raises EvaluationError, FrameError (PF461)."""
        return is_true(self.guarded(tree))

    def guarded(self, tree: Expression) -> Value:
        """Return the value of a whole expression: what exhausts the stack is over the limit too."""
        try:
            return self.value(tree)
        except RecursionError:
            self.world.budget.exhausted("went too deep")

    def literal(self, tree: Literal) -> Value:
        """A value that stands in the source."""
        return tree.value

    def array(self, tree: Array) -> Value:
        """`[a, b]`."""
        return [self.value(one) for one in tree.items]

    def object(self, tree: Object) -> Value:
        """`{a: 1}`."""
        return {key: self.value(one) for key, one in tree.entries}

    def unary(self, tree: Unary) -> Value:
        """`!a`, `-a`, `typeof a`, `delete a.b`."""
        match tree.operator:
            case "typeof":
                return self._type_of(tree.operand)
            case "delete":
                return self._deleted(tree)
            case "!":
                return not is_true(self.value(tree.operand))
            case sign:
                found = number_of(self.value(tree.operand))
                return number(-found if sign == "-" else found)

    def _type_of(self, tree: Expression) -> str:
        try:
            return type_name(self.value(tree))
        except EvaluationError:
            if isinstance(tree, Name):
                return "undefined"
            raise

    def _deleted(self, tree: Unary) -> Value:
        if not isinstance(tree.operand, Member):
            raise EvaluationError("delete takes a part of an object: delete o.key", at=tree.at)
        owner, key = self.changeable(tree.operand), self.key_of(tree.operand)
        if not isinstance(owner, dict):
            raise EvaluationError("only a part of an object can be deleted", at=tree.at)
        cast("dict[str, Value]", owner).pop(key, None)
        return True

    def binary(self, tree: Binary) -> Value:
        """`a + b`, `a === b` and their like."""
        left, right = self.value(tree.left), self.value(tree.right)
        match tree.operator:
            case "===":
                return same(left, right)
            case "!==":
                return not same(left, right)
            case "==":
                return equals(left, right)
            case "!=":
                return not equals(left, right)
            case "<" | ">" | "<=" | ">=":
                return compare(tree.operator, left, right)
            case "in":
                return self._holds_key(right, spent_text(self.world.budget, left))
            case operator:
                return self._computed(operator, left, right)

    def _holds_key(self, owner: Value, key: str) -> bool:
        if isinstance(owner, dict):
            return key in owner
        if isinstance(owner, list):
            return self.item(cast("Sequence[Value]", owner), key) is not UNDEFINED
        raise EvaluationError(f"in asks an object or a list, not a {type_name(owner)}")

    def _computed(self, operator: str, left: Value, right: Value) -> Value:
        if operator != "+":
            return number(_ARITHMETIC[operator](number_of(left), number_of(right)))
        if isinstance(left, str | list | dict) or isinstance(right, str | list | dict):
            left, right = spent_text(self.world.budget, left), spent_text(self.world.budget, right)
            self.world.budget.spend_text(len(left) + len(right))
        return add(left, right)

    def logical(self, tree: Logical) -> Value:
        """`a && b`, `a || b`."""
        left = self.value(tree.left)
        return left if is_true(left) == (tree.operator == "||") else self.value(tree.right)

    def conditional(self, tree: Conditional) -> Value:
        """`a ? b : c`."""
        return self.value(tree.yes if is_true(self.value(tree.test)) else tree.no)

    # -- assignments and calls -----------------------------------------------------------------------------------------

    def assignment(self, tree: Assign) -> Value:
        """`a = b`, `a += b`."""
        value = self.value(tree.value)
        if tree.operator:
            value = self._computed(tree.operator, self.value(tree.target), value)
        self.assign(tree.target, value)
        return value

    def update(self, tree: Update) -> Value:
        """`a++`, `--a`."""
        before = number(number_of(self.value(tree.target)))
        after = number(float(before) + (1 if tree.operator == "+" else -1))
        self.assign(tree.target, after)
        return after if tree.is_prefix else before

    def call(self, tree: Call) -> Value:
        """`f(a)`."""
        found = self._callee(tree.function)
        arguments = [self.value(one) for one in tree.arguments]
        if isinstance(found, Function):
            return self._run_function(found, arguments, tree.at)
        if not callable(found):
            raise EvaluationError(f"a {type_name(found)} cannot be called", at=tree.at)
        native: Native = found
        try:
            return native(self.world.budget, arguments)
        except ValueError as error:
            raise EvaluationError(str(error), at=tree.at) from error

    def _callee(self, tree: Expression) -> Any:
        if not isinstance(tree, Member) or self.library_member(tree) is not None:
            return self.value(tree)
        owner = self.value(tree.owner)
        key = self.key_of(tree)
        native = METHODS.get(owner.__class__, {}).get(key)
        if native is None:
            raise EvaluationError(f"{key[:40]!r} of a {type_name(owner)} cannot be called", at=tree.at)
        if key in CHANGING and isinstance(owner, list):
            self.changeable(tree)
            return self._bound(native, owner, copying=True)
        return self._bound(native, owner)

    def _bound(self, native: Native, owner: Value, *, copying: bool = False) -> Native:
        """Return a method bound to what it is called on; `copying` where that keeps its arguments."""

        def called(budget: Budget, arguments: Sequence[Value]) -> Value:
            return native(budget, [owner, *(map(self.kept, arguments) if copying else arguments)])

        return called

    def _run_function(self, function: Function, arguments: list[Value], at: int) -> Value:
        if len(self.scopes) > CALLS_MAX:
            self.world.budget.exhausted(f"called functions deeper than {CALLS_MAX} levels")
        given = [*arguments, *[UNDEFINED] * len(function.parameters)]
        self.scopes.append(dict(zip(function.parameters, given, strict=False)))
        try:
            self.run(function.body)
        except _CompletedError as completed:
            return completed.value
        except EvaluationError as error:
            raise EvaluationError(f"{error} (in {function.name})", at=at) from error
        finally:
            self.scopes.pop()
        return UNDEFINED

    # -- statements ----------------------------------------------------------------------------------------------------

    def run(self, tree: Statement) -> None:
        """Run a statement. Raises EvaluationError, FrameError (PF461)."""
        self.world.budget.spend(1)
        match tree:
            case Evaluate():
                self.value(tree.expression)
            case Declare():
                self._declare(tree)
            case Block():
                for one in tree.statements:
                    self.run(one)
            case If():
                self._run_if(tree)
            case Loop():
                self._loop(tree)
            case Jump():
                raise _CompletedError(tree.word)
            case Return():
                raise _CompletedError("return", UNDEFINED if tree.value is None else self.value(tree.value))
            case Function():
                pass  # known to the world before anything runs

    def _run_if(self, tree: If) -> None:
        if is_true(self.value(tree.test)):
            self.run(tree.yes)
        elif tree.no is not None:
            self.run(tree.no)

    def run_script(self, tree: Block) -> None:
        """Run a whole script: what exhausts the stack is over the limit too."""
        self.scopes[:] = [{}]
        try:
            self.run(tree)
        except RecursionError:
            self.world.budget.exhausted("went too deep")

    def _declare(self, tree: Declare) -> None:
        value = UNDEFINED if tree.value is None else self.value(tree.value)
        if len(self.scopes) > 1 or tree.word != "var":
            self.scopes[-1][tree.name] = value
        elif tree.name in self.world.system:
            raise EvaluationError(f"{tree.name} cannot be declared", at=tree.at)
        elif tree.value is not None or tree.name not in self.world.variables:
            self.check_writable(tree.at)
            self.declare(tree.name, value)

    def _loop(self, tree: Loop) -> None:
        for one in tree.first:
            self.run(one)
        while tree.test is None or is_true(self.value(tree.test)):
            try:
                self.run(tree.body)
            except _CompletedError as completed:
                if completed.word == "return":
                    raise
                if completed.word == "break":
                    return
            if tree.after is not None:
                self.value(tree.after)


_VALUES: dict[type, Callable[[Evaluator, Any], Value]] = {
    Array: Evaluator.array,
    Assign: Evaluator.assignment,
    Binary: Evaluator.binary,
    Call: Evaluator.call,
    Conditional: Evaluator.conditional,
    Literal: Evaluator.literal,
    Logical: Evaluator.logical,
    Member: Evaluator.member,
    Name: Evaluator.name,
    Object: Evaluator.object,
    Unary: Evaluator.unary,
    Update: Evaluator.update,
}
