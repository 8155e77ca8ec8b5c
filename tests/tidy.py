"""STYLE as programs: each checker takes one parsed file and answers what is wrong in it, one line per finding.

Checkers are pure: `Source` in, findings out, so that tests/test_tidy.py can feed each of them a planted fault.
What a rule lets through is listed at the head of this module, with the reason; nothing else is let through.
`measures` counts what cannot be zero but should fall; tests/ratchet.json remembers it.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGES = ("statemachine", "persistence", "recovery", "perdure")

FUNCTION_LINES_MAX = 70  # one screen
FILE_LINES_MAX = 600
POSITIONAL_MAX = 3  # beyond this a call can no longer be read without the definition

# Its data is positional so that `Callable[[D], W]` can infer the workflow's type from the class.
POSITIONAL_ALLOWED = frozenset({"Engine.start", "Sql.execute", "ReadingSql.execute"})  # execute: as in DB-API

# A foreign library calls these, by position: the signature is its choice. Each with the library.
CALLED_BY_OTHERS = frozenset({"UserSql._authorize"})  # apsw's authorizer: five arguments

# The module (with what lies under it) that may import a dependency; nobody else may.
OWNERS = {
    "transitions": ("statemachine.machine",),
    "apsw": ("persistence.sqlite", "recovery.drills"),
    "hypothesis": ("recovery.drills", "persistence.conformance.comparing"),  # both are imported by who has the extra
    "click": ("perdure",),
}
# 50 ms at import, and they change every connection of the process.
NEVER_IMPORTED = frozenset({"apsw.bestpractice", "apsw.ext"})

# Where SQL may be put together from parts, as "path:function", each with its reason.
SQL_BUILDERS: frozenset[str] = frozenset(
    {"recovery/drills/evidence.py:_rows"}  # a drill reads the user's tables whole, whatever their names are
)

# Words that cannot be a column's name here; `key`, `text` and `data` can, so they are not in the list.
SQL_WORDS = """
all and as asc autoincrement begin between by case check collate commit create cross default delete desc distinct do
drop else end except exists foreign from group having if immediate in index inner insert intersect into is join left
like limit not nothing null offset on or order pragma primary recursive references returning rollback savepoint select
set strict table then union unique update using values view when where with
"""
SQL_KEYWORDS = frozenset(SQL_WORDS.split())

SQL = re.compile(
    r"""\s* (?: --[^\n]*\n \s* )*
    (?: SELECT\s.*\bFROM\s | SELECT\s+[\d?:*] | INSERT\s+(?:OR\s+\w+\s+)?INTO\s | REPLACE\s+INTO\s
      | UPDATE\s+\S+\s+SET\s | DELETE\s+FROM\s | WITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\([^)]*\)\s*)?AS\s*\(
      | (?:CREATE|DROP|ALTER)\s+(?:TEMP\s+|TEMPORARY\s+|UNIQUE\s+)?(?:TABLE|INDEX|VIEW|TRIGGER)\s
      | PRAGMA\s+\w | BEGIN\s+(?:IMMEDIATE|DEFERRED|EXCLUSIVE)\b
      | ATTACH\s+(?:DATABASE\s|\S+\s+AS\s) | VACUUM\s+INTO\s )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# The piece that somebody appends to a statement: told from prose by its capitals.
SQL_PIECE = re.compile(r"\s*(?:WHERE|AND|OR|ORDER BY|GROUP BY|LIMIT|VALUES|SET|FROM|JOIN|LEFT JOIN|RETURNING)\b")
SQL_OPAQUE = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|\[[^\]]*\]|`[^`]*`")
SQL_STAR = re.compile(r"(?:\bSELECT\s+(?:DISTINCT\s+|ALL\s+)?|,\s*)(?:\w+\.)?\*", re.IGNORECASE)
SQL_NAMELESS = re.compile(r"\bINTO\s+\S+\s+(?:VALUES|SELECT)\b", re.IGNORECASE)

# Spelt with brackets so that a search for the marks does not find this line.
OPEN_MARK = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")
SILENCER = re.compile(r"#\s*(?:(type|pyright):\s*ignore(\[[^\]]*\])?|(noqa)(:\s*[A-Z]+\d+(?:[,\s]\s*[A-Z]+\d+)*)?)")

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Scoped:
    """A definition and what it stands in, outermost first."""

    node: Definition
    within: tuple[Definition, ...]

    @property
    def name(self) -> str:
        """Dotted, without the module: `Engine.start`."""
        return ".".join(node.name for node in (*self.within, self.node))

    @property
    def is_method(self) -> bool:
        """Whether a class, and not a function or the module, holds it."""
        return bool(self.within) and isinstance(self.within[-1], ast.ClassDef)

    @property
    def is_public(self) -> bool:
        """Whether a user can reach it: every name on the way is public, and none of them is a function."""
        names = [node.name for node in (*self.within, self.node)]
        return not any(isinstance(node, FUNCTIONS) for node in self.within) and not any(
            name.startswith("_") for name in names
        )


@dataclass(frozen=True)
class Source:
    """One file: its path from the top of the repository, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        """The dotted name under which it is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def is_public(self) -> bool:
        """Whether no part of the module's name begins with an underscore."""
        return not any(part.startswith("_") for part in self.module.split("."))

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        """Line and text of each comment; a `#` inside a string is none."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]

    @cached_property
    def definitions(self) -> list[Scoped]:
        """Every class and function, however deeply nested."""
        return list(_definitions(self.tree, ()))

    @property
    def functions(self) -> Iterator[tuple[Scoped, Function]]:
        """Every function and method."""
        return ((scoped, scoped.node) for scoped in self.definitions if isinstance(scoped.node, FUNCTIONS))

    def at(self, line: int, finding: str) -> str:
        """A finding with its place, as editors understand it."""
        return f"{self.path}:{line}: {finding}"


Checker = Callable[[Source], list[str]]


def sources(root: Path, folders: Iterable[str] = PACKAGES) -> list[Source]:
    """Every Python file of the packages."""
    return [
        Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
    ]


# Shape


def long_functions(source: Source) -> list[str]:
    """A function is at most 70 lines long."""
    return [
        source.at(node.lineno, f"{scoped.name} has {_lines(node)} lines, more than {FUNCTION_LINES_MAX}: split it")
        for scoped, node in source.functions
        if _lines(node) > FUNCTION_LINES_MAX
    ]


def long_files(source: Source) -> list[str]:
    """A file is at most 600 lines long."""
    lines = len(source.text.splitlines())
    return [source.at(1, f"{lines} lines, more than {FILE_LINES_MAX}: split it")] * (lines > FILE_LINES_MAX)


def many_positionals(source: Source) -> list[str]:
    """At most three parameters can be given by position, `self` and `cls` not counted."""
    return [
        source.at(node.lineno, f"{scoped.name} takes {count} positional parameters: make some keyword-only")
        for scoped, node in source.functions
        if not _signature_is_imposed(scoped, node)
        for count in [len(_positionals(scoped, node))]
        if count > POSITIONAL_MAX
    ]


def positional_defaults(source: Source) -> list[str]:
    """A parameter with a default is keyword-only."""
    return [
        source.at(node.lineno, f"{scoped.name}: {argument.arg} has a default but can be given by position")
        for scoped, node in source.functions
        if not _signature_is_imposed(scoped, node)
        for argument in _defaulted(node)
        if not (scoped.name in POSITIONAL_ALLOWED and argument in node.args.posonlyargs)
    ]


# Types


def missing_annotations(source: Source) -> list[str]:
    """Every parameter and every result is annotated."""
    return [
        source.at(node.lineno, f"{scoped.name}: no annotation for {name}")
        for scoped, node in source.functions
        for name in _unannotated(scoped, node)
    ]


def silenced_without_reason(source: Source) -> list[str]:
    """A silenced warning names its code and carries its reason in the same comment."""
    found: list[str] = []
    for line, comment in source.comments:
        silencers = list(SILENCER.finditer(comment))
        if any(not (match[2] or match[4]) for match in silencers):
            found.append(source.at(line, "a silenced warning names its code: # noqa: S608  # why"))
        elif silencers and not re.search(r"[A-Za-z]{2}", SILENCER.sub("", comment)):
            found.append(source.at(line, "a silenced warning carries its reason: # noqa: S608  # why"))
    return found


# Words


def missing_docstrings(source: Source) -> list[str]:
    """Each public module, class, function and method has a docstring."""
    if not source.is_public:
        return []
    missing = [] if ast.get_docstring(source.tree) else [source.at(1, "the module has no docstring")]
    return missing + [
        source.at(scoped.node.lineno, f"{scoped.name} has no docstring")
        for scoped in source.definitions
        if scoped.is_public and not ast.get_docstring(scoped.node) and not _is_described_elsewhere(scoped.node)
    ]


def open_marks(source: Source) -> list[str]:
    """What is left to do stands in an issue, not in the code."""
    return [
        source.at(number, "a mark for work left over: make it an issue")
        for number, line in enumerate(source.text.splitlines(), start=1)
        if OPEN_MARK.search(line)
    ]


def bare_raises(source: Source) -> list[str]:
    """Nobody raises `Exception` or `BaseException`: the caller could not tell it from any other."""
    return [
        source.at(node.lineno, f"raises bare {name}: take a class of ours")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Raise) and node.exc is not None
        for name in [_dotted(node.exc.func if isinstance(node.exc, ast.Call) else node.exc).removeprefix("builtins.")]
        if name in {"Exception", "BaseException"}
    ]


# Dependencies


def foreign_imports(source: Source) -> list[str]:
    """A dependency is imported by the module that owns it, and by no other."""
    found: list[str] = []
    for line, name in _imports(source.tree):
        top = name.partition(".")[0]
        owners = OWNERS.get(top, ())
        if name in NEVER_IMPORTED:
            found.append(source.at(line, f"imports {name}: it changes the whole process"))
        elif owners and not any(f"{source.module}.".startswith(f"{owner}.") for owner in owners):
            found.append(source.at(line, f"imports {top}: only {' and '.join(owners)} may"))
    return list(dict.fromkeys(found))  # `from apsw import x, y` is one finding


# SQL


def starred_sql(source: Source) -> list[str]:
    """SQL names each column that it reads or writes."""
    return [
        source.at(line, "SQL names its columns: no SELECT *, no INSERT without a list")
        for line, text in _statements(source)
        if SQL_STAR.search(text) or SQL_NAMELESS.search(text)
    ]


def lower_sql(source: Source) -> list[str]:
    """Keywords of SQL are in upper case."""
    return [
        source.at(line, f"SQL keyword in lower case: {word}")
        for line, text in _statements(source)
        for word in sorted(set(re.findall(r"\w+", text)))
        if word.lower() in SQL_KEYWORDS and not word.isupper()
    ]


def built_sql(source: Source) -> list[str]:
    """In persistence.sqlite a statement is one constant: no f-string, `%`, `+`, `format` or `join` makes it."""
    if not f"{source.module}.".startswith("persistence.sqlite."):
        return []
    return [
        source.at(line, f"builds SQL in {function or 'the module'}: one constant per statement, parameters bound")
        for line in sorted(_lines_that_build_sql(source.tree))
        for function in [_function_at(source, line)]
        if f"{source.path}:{function}" not in SQL_BUILDERS
    ]


CHECKERS: tuple[Checker, ...] = (
    long_functions,
    long_files,
    many_positionals,
    positional_defaults,
    missing_annotations,
    silenced_without_reason,
    missing_docstrings,
    open_marks,
    bare_raises,
    foreign_imports,
    starred_sql,
    lower_sql,
    built_sql,
)


# The ratchet


def measures(files: list[Source]) -> dict[str, int]:
    """The numbers that may only fall. Pure."""
    silenced = [match for file in files for _, text in file.comments for match in SILENCER.finditer(text)]
    return {
        "file_lines_max": max((len(file.text.splitlines()) for file in files), default=0),
        "function_lines_max": max((_lines(node) for file in files for _, node in file.functions), default=0),
        "noqa": sum(match[3] is not None for match in silenced),
        "public_any": sum(_public_any(file) for file in files),
        "pyright_ignore": sum(match[1] == "pyright" for match in silenced),
        "type_ignore": sum(match[1] == "type" for match in silenced),
    }


def slips(stored: dict[str, int], measured: dict[str, int]) -> list[str]:
    """Where the stored numbers and the measured ones differ, and which way. Pure."""
    return [
        f"{name}: {before} -> {after} ({'worse' if after > before else 'better, but not recorded'})"
        for name in sorted(stored.keys() | measured.keys())
        for before, after in [(stored.get(name, 0), measured.get(name, 0))]
        if before != after
    ]


# Helpers, all pure


def _definitions(node: ast.AST, within: tuple[Definition, ...]) -> Iterator[Scoped]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
            yield Scoped(child, within)
            yield from _definitions(child, (*within, child))
        else:
            yield from _definitions(child, within)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _dotted(node: ast.AST) -> str:
    """`a.b.c` as text; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _decorators(node: Definition) -> set[str]:
    """The last word of each decorator: `overload`, `setter`."""
    calls = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
    return {_dotted(call).rpartition(".")[2] for call in calls}


def _signature_is_imposed(scoped: Scoped, node: Function) -> bool:
    """A base class, the language or a library wrote it; `__init__` and its like are our own choice."""
    ours = {"__init__", "__new__", "__call__", "__init_subclass__"}
    is_dunder = node.name.startswith("__") and node.name.endswith("__") and node.name not in ours
    return is_dunder or scoped.name in CALLED_BY_OTHERS or "override" in _decorators(node)


def _is_described_elsewhere(node: Definition) -> bool:
    """The implementation, the getter or the base class has the docstring."""
    return bool(_decorators(node) & {"overload", "setter", "deleter", "override"})


def _bound(scoped: Scoped, node: Function) -> int:
    """1 if the first parameter is `self` or `cls`."""
    return int(scoped.is_method and "staticmethod" not in _decorators(node))


def _positionals(scoped: Scoped, node: Function) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args][_bound(scoped, node) :]


def _defaulted(node: Function) -> list[ast.arg]:
    positional = [*node.args.posonlyargs, *node.args.args]
    return positional[len(positional) - len(node.args.defaults) :]


def _unannotated(scoped: Scoped, node: Function) -> list[str]:
    stars = [argument for argument in (node.args.vararg, node.args.kwarg) if argument]
    arguments = [*_positionals(scoped, node), *node.args.kwonlyargs, *stars]
    result = [] if node.returns else ["the result"]
    return [argument.arg for argument in arguments if argument.annotation is None] + result


def _public_any(source: Source) -> int:
    """How often `Any` stands in the signature of a public function or in a public class's field."""
    if not source.is_public:
        return 0
    annotations: list[ast.expr | None] = []
    for scoped in source.definitions:
        if not scoped.is_public:
            continue
        if isinstance(scoped.node, ast.ClassDef):
            annotations += [item.annotation for item in scoped.node.body if isinstance(item, ast.AnnAssign)]
        else:
            items = [item for item in ast.walk(scoped.node.args) if isinstance(item, ast.arg)]
            annotations += [scoped.node.returns, *(item.annotation for item in items)]
    return sum(len(re.findall(r"\bAny\b", ast.unparse(item))) for item in annotations if item)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of everything imported, late and dynamic imports included; relative ones are ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] in {"import_module", "__import__"}:
            yield from ((node.lineno, _text(item)) for item in node.args if _text(item))


def _text(node: ast.AST | None) -> str:
    """The text of a string constant or an f-string, a `?` for each hole; empty for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "?" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _statements(source: Source) -> Iterator[tuple[int, str]]:
    """Line and text of every string that reads as SQL, without its comments, literals and quoted names."""
    apart: set[int] = set()  # docstrings, and the parts of an f-string, which is looked at as a whole
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Expr):
            apart.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            apart.update(id(part) for part in node.values)
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in apart and SQL.match(_text(node)):
            yield node.lineno, SQL_OPAQUE.sub("?", _text(node))


def _builds_sql(node: ast.AST) -> bool:
    """Whether an expression makes SQL out of parts."""
    parts: list[ast.AST] = []
    if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.FormattedValue) for part in node.values):
        parts = [node]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        parts = [node.left, node.right]
    elif isinstance(node, ast.AugAssign):
        parts = [node.value]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "join"}:
        parts = [node.func.value]
    return any(SQL.match(_text(part)) or SQL_PIECE.match(_text(part)) for part in parts)


def _lines_that_build_sql(tree: ast.Module) -> set[int]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, (ast.expr, ast.stmt)))
    return {node.lineno for node in nodes if _builds_sql(node)}


def _function_at(source: Source, line: int) -> str:
    """The innermost function around a line; empty at the top of the module."""
    around = [scoped.name for scoped, node in source.functions if node.lineno <= line <= (node.end_lineno or line)]
    return around[-1] if around else ""
