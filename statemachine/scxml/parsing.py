"""From source to tree: the subset of ECMAScript that documents may use, by precedence climbing (Pratt). Pure.

What is outside of the subset is refused with its name and place: `new`, `this`, classes, closures, regular expressions,
exceptions, templates, spread, bitwise signs. Functions are declared at the top of a document's script, never as values.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from attrs import define

from statemachine.scxml.lexing import KEYWORDS, ScriptSyntaxError, Token, tokens
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

__all__ = ["parse_expression", "parse_location", "parse_script"]

T = TypeVar("T")

DEPTH_MAX = 50  # brackets, operators and blocks inside each other: what a person can read, and a stack can hold

# From loose to tight; the number is how tightly the operator binds.
_BINARY = {
    "||": 2, "&&": 3,
    "==": 4, "!=": 4, "===": 4, "!==": 4,
    "<": 5, ">": 5, "<=": 5, ">=": 5, "in": 5,
    "+": 6, "-": 6,
    "*": 7, "/": 7, "%": 7,
}  # fmt: skip
_UNARY = frozenset({"!", "-", "+", "typeof", "delete"})
_ASSIGNING = {"=": "", "+=": "+", "-=": "-", "*=": "*", "/=": "/", "%=": "%"}
_CONSTANTS = {"null": None, "true": True, "false": False}


def parse_expression(source: str) -> Expression:
    """Return the tree of one expression. Raises ScriptSyntaxError. Pure."""
    parser = _Parser(tokens(source))
    found = parser.expression()
    parser.expect_end()
    return found


def parse_location(source: str) -> Name | Member:
    """Return the tree of a place that can be assigned to. Raises ScriptSyntaxError. Pure."""
    found = parse_expression(source)
    if not isinstance(found, Name | Member):
        raise ScriptSyntaxError(f"{source.strip()!r} is no place that can be assigned to", 0)
    return found


def parse_script(source: str, *, with_functions: bool = False) -> Block:
    """Return the tree of a script. `with_functions` admits functions at its top. Raises ScriptSyntaxError. Pure."""
    parser = _Parser(tokens(source))
    statements: list[Statement] = []
    while not parser.at_end:
        if with_functions and parser.sees("function"):
            statements.append(parser.function())
        else:
            statements.append(parser.statement())
    return Block(tuple(statements))


@define
class _Parser:
    words: list[Token]
    place: int = 0
    depth: int = 0
    functions: int = 0  # that surround this place: where `return` may stand
    loops: int = 0  # the same for `break` and `continue`

    # -- words ---------------------------------------------------------------------------------------------------------

    @property
    def word(self) -> Token:
        return self.words[self.place]

    @property
    def at_end(self) -> bool:
        return self.word.kind == "end"

    def sees(self, *texts: str) -> bool:
        """Say whether the next word is one of these signs or keywords."""
        return self.word.kind in {"sign", "name"} and self.word.text in texts

    def take(self) -> Token:
        word = self.word
        self.place += not self.at_end
        return word

    def accept(self, *texts: str) -> bool:
        """Take the next word if it is one of these."""
        found = self.sees(*texts)
        self.place += found
        return found

    def expect(self, text: str) -> Token:
        if not self.sees(text):
            raise self.unexpected(f"{text!r} is missing before it")
        return self.take()

    def expect_end(self) -> None:
        if not self.at_end:
            raise self.unexpected("the expression has ended before it")

    def name(self) -> Token:
        if self.word.kind != "name" or self.word.text in KEYWORDS:
            raise self.unexpected("a name is missing before it")
        return self.take()

    def unexpected(self, reason: str) -> ScriptSyntaxError:
        shown = "the end" if self.at_end else repr(self.word.text)
        if self.word.kind == "name" and self.word.text in KEYWORDS - _CONSTANTS.keys():
            reason += "; it is not in the subset, or not here"
        return ScriptSyntaxError(f"unexpected {shown}: {reason}", self.word.at)

    def deeper(self, parse: Callable[[], T]) -> T:
        """Parse something that stands inside of something. Raises ScriptSyntaxError where that goes too deep."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise ScriptSyntaxError(f"nested deeper than {DEPTH_MAX} levels", self.word.at)
        found = parse()
        self.depth -= 1
        return found

    # -- expressions ---------------------------------------------------------------------------------------------------

    def expression(self) -> Expression:
        return self.deeper(self._assignment)

    def _assignment(self) -> Expression:
        start = self.word.at
        left = self._conditional()
        if not self.sees(*_ASSIGNING):
            return left
        if not isinstance(left, Name | Member):
            raise ScriptSyntaxError("only a variable or a part of one can be assigned to", start)
        operator = _ASSIGNING[self.take().text]
        return Assign(operator, left, self.expression())

    def _conditional(self) -> Expression:
        test = self._binary(0)
        if not self.accept("?"):
            return test
        yes = self.expression()
        self.expect(":")
        return Conditional(test, yes, self.expression())

    def _binary(self, binding: int) -> Expression:
        left = self._unary()
        length = 0
        while self.word.kind != "text" and (tightness := _BINARY.get(self.word.text, 0)) > binding:
            operator = self.take().text
            right = self.deeper(partial(self._binary, tightness))
            kind = Logical if operator in {"&&", "||"} else Binary
            left = kind(operator, left, right)
            length += 1
            if length > DEPTH_MAX:  # the tree leans to the left: as deep as the chain is long
                raise ScriptSyntaxError(f"more than {DEPTH_MAX} operators in a row", self.word.at)
        return left

    def _unary(self) -> Expression:
        if self.sees(*_UNARY):
            sign = self.take()
            return Unary(sign.text, self.deeper(self._unary), sign.at)
        if self.sees("++", "--"):
            sign = self.take()
            return Update(sign.text[0], self._place(self.deeper(self._unary), sign.at), is_prefix=True)
        found = self._postfix()
        if self.sees("++", "--") and not self.word.follows_newline:
            sign = self.take()
            return Update(sign.text[0], self._place(found, sign.at), is_prefix=False)
        return found

    def _place(self, found: Expression, at: int) -> Name | Member:
        if not isinstance(found, Name | Member):
            raise ScriptSyntaxError("only a variable or a part of one can be counted up or down", at)
        return found

    def _postfix(self) -> Expression:
        found = self._primary()
        length = 0
        while self.sees(".", "[", "("):
            sign = self.take()
            if sign.text == ".":
                found = Member(found, Literal(self._key_name()), sign.at)
            elif sign.text == "[":
                found = Member(found, self.expression(), sign.at)
                self.expect("]")
            else:
                found = Call(found, self._list(")"), sign.at)
            length += 1
            if length > DEPTH_MAX:
                raise ScriptSyntaxError(f"more than {DEPTH_MAX} parts in a row", sign.at)
        return found

    def _key_name(self) -> str:
        if self.word.kind != "name":
            raise self.unexpected("a name is missing before it")
        return self.take().text

    def _list(self, end: str) -> tuple[Expression, ...]:
        found: list[Expression] = []
        while not self.accept(end):
            found.append(self.expression())
            if not self.sees(end):
                self.expect(",")
        return tuple(found)

    def _primary(self) -> Expression:
        word = self.word
        if word.kind == "number":
            return Literal(_number(self.take().text))
        if word.kind == "text":
            return Literal(self.take().text)
        if word.kind == "name" and word.text in _CONSTANTS:
            return Literal(_CONSTANTS[self.take().text])
        if self.accept("("):
            found = self.expression()
            self.expect(")")
            return found
        if self.accept("["):
            return Array(self._list("]"))
        if self.accept("{"):
            return Object(tuple(self._entries()))
        if word.kind != "name":
            raise self.unexpected("a value is missing before it")
        return Name(self.name().text, word.at)

    def _entries(self) -> list[tuple[str, Expression]]:
        found: list[tuple[str, Expression]] = []
        while not self.accept("}"):
            if self.word.kind not in {"name", "text", "number"}:
                raise self.unexpected("a key is missing before it")
            word = self.take()
            key = str(_number(word.text)) if word.kind == "number" else word.text
            self.expect(":")
            found.append((key, self.expression()))
            if not self.sees("}"):
                self.expect(",")
        return found

    # -- statements ----------------------------------------------------------------------------------------------------

    def statement(self) -> Statement:
        return self.deeper(self._statement)

    def _statement(self) -> Statement:
        if self.sees("{"):
            return self._block()
        if self.accept(";"):
            return Block(())
        if self.sees("var", "let", "const"):
            return self._ended(self._declare())
        if self.accept("if"):
            return self._if()
        if self.sees("while", "for"):
            return self._loop()
        if self.sees("break", "continue") and self.loops:
            return self._ended(Jump(self.take().text))
        if self.functions and self.accept("return"):
            is_alone = self.sees(";", "}") or self.word.follows_newline
            return self._ended(Return(None if is_alone else self.expression()))
        return self._ended(Evaluate(self.expression()))

    def _ended(self, found: T) -> T:
        if not self.accept(";") and not self.sees("}") and not self.word.follows_newline:
            raise self.unexpected("a semicolon is missing before it")
        return found

    def _block(self) -> Block:
        self.expect("{")
        found: list[Statement] = []
        while not self.accept("}"):
            if self.at_end:
                raise self.unexpected("'}' is missing before it")
            found.append(self.statement())
        return Block(tuple(found))

    def _declare(self) -> Statement:
        word = self.take().text
        found: list[Statement] = []
        while True:
            name = self.name()
            value = self.expression() if self.accept("=") else None
            found.append(Declare(word, name.text, value, name.at))
            if not self.accept(","):
                return found[0] if len(found) == 1 else Block(tuple(found))

    def _if(self) -> If:
        test = self._in_brackets()
        yes = self.statement()
        return If(test, yes, self.statement() if self.accept("else") else None)

    def _in_brackets(self) -> Expression:
        self.expect("(")
        found = self.expression()
        self.expect(")")
        return found

    def _loop(self) -> Loop:
        if self.take().text == "while":
            return Loop((), self._in_brackets(), None, self._body())
        self.expect("(")
        first: tuple[Statement, ...] = ()
        if not self.sees(";"):
            first = (self._declare() if self.sees("var", "let") else Evaluate(self.expression()),)
        self.expect(";")
        test = None if self.sees(";") else self.expression()
        self.expect(";")
        after = None if self.sees(")") else self.expression()
        self.expect(")")
        return Loop(first, test, after, self._body())

    def _body(self) -> Statement:
        self.loops += 1
        found = self.statement()
        self.loops -= 1
        return found

    def function(self) -> Function:
        at = self.expect("function").at
        name = self.name().text
        self.expect("(")
        parameters: list[str] = []
        while not self.accept(")"):
            parameters.append(self.name().text)
            if not self.sees(")"):
                self.expect(",")
        self.functions += 1
        body = self._block()
        self.functions -= 1
        return Function(name, tuple(parameters), body, at)


def _number(text: str) -> int | float:
    value = float(int(text, 16)) if text[:2] in {"0x", "0X"} else float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
