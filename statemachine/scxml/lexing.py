"""The words of an expression or a script: numbers, texts, names and signs, each with its place. Pure."""

import re
from functools import partial
from typing import Literal

from attrs import frozen

from statemachine.states import SURROGATE

__all__ = ["KEYWORDS", "ScriptSyntaxError", "Token", "tokens"]

TOKENS_MAX = 20_000  # of one expression or script: it is parsed whole, and walked at each run

KEYWORDS = frozenset(
    {
        "async",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "debugger",
        "default",
        "delete",
        "do",
        "else",
        "enum",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "function",
        "if",
        "import",
        "in",
        "instanceof",
        "let",
        "new",
        "null",
        "return",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "var",
        "void",
        "while",
        "with",
        "yield",
    }
)
"""Words that name nothing."""

_SIGN = r"===|!==|==|!=|<=|>=|&&|\|\||\+\+|--|[-+*/%]=|\*\*|=>|\.\.\.|\?\?|\?\.|>>>|>>|<<|[{}()\[\];,<>+*/%&|^!~?:=.-]"
_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | //[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<number> 0[xX][0-9a-fA-F]{1,16} | (?: [0-9]+ (?:\.[0-9]*)? | \.[0-9]+ ) (?:[eE][+-]?[0-9]+)? )
  | (?P<name> [^\W\d][\w$]* | \$[\w$]* )
  | (?P<text> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
  | (?P<sign> """
    + _SIGN
    + ")",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(0[0-9]|.))", re.DOTALL)
_NO_ESCAPES = re.compile("[ux1-9]|0[0-9]")  # of a character in another form, or of an octal number
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


class ScriptSyntaxError(ValueError):
    """A source that is not in the subset. `at` is the place, in characters from 0."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.at = at


@frozen
class Token:
    """One word of a source."""

    kind: Literal["number", "name", "text", "sign", "end"]
    text: str  # as it stands; of a text, what it says
    at: int
    follows_newline: bool = False  # where a statement may end without a semicolon


def tokens(source: str) -> list[Token]:
    """Return the words of a source, the last one of kind `end`. Raises ScriptSyntaxError. Pure."""
    half = SURROGATE.search(source)
    if half is not None:
        raise ScriptSyntaxError(f"{half[0]!r} is half of a character; write the character itself", half.start())
    found: list[Token] = []
    at, newline = 0, False
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise ScriptSyntaxError(f"{source[at : at + 10]!r} is none of the signs that can stand here", at)
        if match.lastgroup == "space":
            if match[0].startswith("/*") and not match[0].endswith("*/", 2):
                raise ScriptSyntaxError("the remark that begins here has no end", at)
            newline = newline or "\n" in match[0]
        else:
            found.append(_token(match, newline=newline))
            newline = False
        at = match.end()
        if len(found) > TOKENS_MAX:
            raise ScriptSyntaxError(f"it has more than {TOKENS_MAX} words", at)
    return [*found, Token("end", "", len(source), follows_newline=True)]


def _token(match: re.Match[str], *, newline: bool) -> Token:
    text, at = match[0], match.start()
    match match.lastgroup:
        case "number":
            following = match.string[match.end() : match.end() + 1]
            if re.match("0[0-9]", text):
                raise ScriptSyntaxError(f"{text!r} could be octal; leave out the zero", at)
            if following.isalnum() or following in {"_", "$"}:
                raise ScriptSyntaxError(f"{text + following!r} is no number", at)
            return Token("number", text, at, newline)
        case "text":
            return Token("text", _ESCAPE.sub(partial(_unescaped, at + 1), text[1:-1]), at, newline)
        case "name":
            return Token("name", text, at, newline)
        case _:
            return Token("sign", text, at, newline)


def _unescaped(at: int, match: re.Match[str]) -> str:
    """Return what an escape says, of a text that begins at a place."""
    code = match[1] or match[2]
    if not code and _NO_ESCAPES.fullmatch(match[3]):
        raise ScriptSyntaxError(f"{match[0]!r} is no escape here; write the character itself", at + match.start())
    if not code:
        return _ESCAPED.get(match[3], match[3])
    if "\ud800" <= (character := chr(int(code, 16))) <= "\udfff":  # half of one: it could not be stored
        raise ScriptSyntaxError(f"{match[0]!r} is half of a character; write the character itself", at + match.start())
    return character
