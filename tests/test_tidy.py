"""STYLE, held from the first day: every rule finds nothing in the four packages, and the ratchet agrees.

`python -m tests.test_tidy --rewrite` records the numbers of today.
Each checker has a negative control below: a planted fault that it must find, beside the sound form that it must not.
"""

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests import tidy
from tests.tidy import Checker, Source

ROOT = Path(__file__).resolve().parent.parent
RATCHET = ROOT / "tests" / "ratchet.json"

LONG_FUNCTION = "def f() -> None:\n" + "    x = 1\n" * tidy.FUNCTION_LINES_MAX
LONG_FILE = "x = 1\n" * (tidy.FILE_LINES_MAX + 1)

# checker, path of the planted file, its text, a piece of the one finding
FAULTS: list[tuple[Checker, str, str, str]] = [
    (tidy.long_functions, "recovery/a.py", LONG_FUNCTION, "f has 71 lines"),
    (tidy.long_files, "recovery/a.py", LONG_FILE, "601 lines"),
    (tidy.many_positionals, "recovery/a.py", "def f(a, b, c, d): ...", "f takes 4"),
    (tidy.many_positionals, "recovery/a.py", "class A:\n def f(self, a, b, /, c, d): ...", "A.f takes 4"),
    (tidy.many_positionals, "recovery/a.py", "class A:\n def __init__(self, a, b, c, d): ...", "takes 4"),
    (tidy.many_positionals, "recovery/a.py", "class A:\n @staticmethod\n def f(a, b, c, d): ...", "takes 4"),
    (tidy.positional_defaults, "recovery/a.py", "def f(a, b=1): ...", "f: b"),
    (tidy.positional_defaults, "recovery/a.py", "def f(a, b=1, /): ...", "f: b"),
    (tidy.positional_defaults, "recovery/a.py", "class Engine:\n def start(self, w, data=None): ...", "data"),
    (tidy.missing_annotations, "recovery/a.py", "def f(a) -> None: ...", "for a"),
    (tidy.missing_annotations, "recovery/a.py", "def f(*a) -> None: ...", "for a"),
    (tidy.missing_annotations, "recovery/a.py", "def f(*, a) -> None: ...", "for a"),
    (tidy.missing_annotations, "recovery/a.py", "def f() -> None:\n def g(): ...", "f.g: no annotation for the result"),
    (tidy.silenced_without_reason, "recovery/a.py", "x = 1  # noqa  # because", "names its code"),
    (tidy.silenced_without_reason, "recovery/a.py", "x = 1  # type: ignore  # because", "names its code"),
    (tidy.silenced_without_reason, "recovery/a.py", "x = 1  # noqa: S608", "its reason"),
    (tidy.silenced_without_reason, "recovery/a.py", "x = 1  # type: ignore[misc]  # noqa: S1", "its reason"),
    (tidy.silenced_without_reason, "recovery/a.py", "x = 1  # pyright: ignore[reportX]", "its reason"),
    (tidy.missing_docstrings, "recovery/a.py", "x = 1", "the module"),
    (tidy.missing_docstrings, "recovery/a.py", "'''A.'''\ndef f(): ...", "f has no"),
    (tidy.missing_docstrings, "recovery/a.py", "'''A.'''\nclass A:\n '''A.'''\n async def f(self): ...", "A.f has no"),
    (tidy.missing_docstrings, "recovery/a.py", "'''A.'''\nif x:\n class A: ...", "A has no"),
    (tidy.open_marks, "recovery/a.py", "x = 1  # TODO later", "left over"),
    (tidy.bare_raises, "recovery/a.py", "raise Exception('x')", "bare Exception"),
    (tidy.bare_raises, "recovery/a.py", "raise builtins.BaseException from e", "bare BaseException"),
    (tidy.foreign_imports, "statemachine/engine.py", "import apsw", "imports apsw"),
    (tidy.foreign_imports, "statemachine/engine.py", "from apsw import Connection, Cursor", "imports apsw"),
    (tidy.foreign_imports, "statemachine/machines.py", "import transitions.extensions as t", "imports transitions"),
    (tidy.foreign_imports, "recovery/facts.py", "def f():\n  import hypothesis", "imports hypothesis"),
    (tidy.foreign_imports, "recovery/facts.py", "importlib.import_module('click')", "imports click"),
    (tidy.foreign_imports, "persistence/sqlite/a.py", "from apsw import ext", "apsw.ext"),
    (tidy.foreign_imports, "persistence/sqlite/a.py", "import apsw.bestpractice", "apsw.bestpractice"),
    (tidy.starred_sql, "recovery/a.py", "q = 'SELECT * FROM t'", "names its columns"),
    (tidy.starred_sql, "recovery/a.py", "q = 'SELECT a, t.* FROM t'", "names its columns"),
    (tidy.starred_sql, "recovery/a.py", "q = f'SELECT * FROM {t}'", "names its columns"),
    (tidy.starred_sql, "recovery/a.py", "q = 'INSERT INTO t VALUES (?)'", "names its columns"),
    (tidy.lower_sql, "recovery/a.py", "q = 'SELECT a from t'", "from"),
    (tidy.lower_sql, "recovery/a.py", "q = '''\n-- a comment\nCREATE TABLE t (a INTEGER not NULL)'''", "not"),
    (tidy.built_sql, "persistence/sqlite/a.py", "q = f'SELECT a FROM {t}'", "builds SQL in the module"),
    (tidy.built_sql, "persistence/sqlite/a.py", "def f(t):\n  return 'DELETE FROM %s' % t", "builds SQL in f"),
    (tidy.built_sql, "persistence/sqlite/a.py", "q = A + ' WHERE a = ' + b", "builds SQL"),
    (tidy.built_sql, "persistence/sqlite/a.py", "q += ' ORDER BY a'", "builds SQL"),
    (tidy.built_sql, "persistence/sqlite/a.py", "q = 'SELECT a FROM {}'.format(t)", "builds SQL"),
    (tidy.built_sql, "persistence/sqlite/a.py", "q = ' AND '.join(t)", "builds SQL"),
]

# The nearest sound form of each fault, written as the packages should be: no checker may find anything.
SOUND = '''
    """A module."""

    from collections.abc import Callable
    import apsw
    import recovery

    STATE = "begin"  # a word, not a statement
    READ = "SELECT a, count(*), 'select * from t' FROM t WHERE key = ?"  # noqa: S608  # bound, as everywhere
    HINT = "Select a state, or mark one; update the chart."


    class Engine:
        """An engine."""

        def start(self, workflow: str, data: int | None = None, /, *, id: str | None = None) -> None:
            """Start."""

        def __exit__(self, kind: object, error: object, trace: object, more: object = None) -> None: ...

        @property
        def limit(self) -> int:
            """A limit."""
            raise ValueError(f"the limit {self} is missing: SELECT one")

        @limit.setter
        def limit(self, value: int) -> None: ...

        @override
        def imposed(self, a: int, b: int, c: int, d: int = 0) -> None: ...

        @staticmethod
        def _three(a: int, b: int, c: int, *more: int, d: int = 0) -> Callable[[], None]:
            def inner() -> None: ...

            return inner
    '''


@pytest.fixture(scope="module")
def files() -> list[Source]:
    return tidy.sources(ROOT)


@pytest.mark.parametrize("checker", tidy.CHECKERS, ids=lambda checker: checker.__name__)
def test_packages_are_tidy(checker: Checker, files: list[Source]) -> None:
    found = [finding for file in files for finding in checker(file)]
    assert not found, f"{checker.__doc__}\n" + "\n".join(found)


@pytest.mark.parametrize(("checker", "path", "text", "finding"), FAULTS)
def test_planted_fault_is_found(checker: Checker, path: str, text: str, finding: str) -> None:
    found = checker(Source(path, text))
    assert len(found) == 1
    assert finding in found[0]


@pytest.mark.parametrize("checker", tidy.CHECKERS, ids=lambda checker: checker.__name__)
def test_sound_form_is_let_through(checker: Checker) -> None:
    assert checker(Source("persistence/sqlite/a.py", dedent(SOUND).lstrip())) == []


def test_each_checker_has_a_planted_fault() -> None:
    assert {checker for checker, *_ in FAULTS} == set(tidy.CHECKERS)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("statemachine/machine.py", "import transitions"),
        ("statemachine/codec.py", "from cattrs import Converter"),
        ("persistence/sqlite/connection.py", "import apsw"),
        ("recovery/drills/__init__.py", "import apsw, hypothesis"),
        ("perdure/cli.py", "import click"),
    ],
)
def test_owner_may_import_its_dependency(path: str, text: str) -> None:
    assert tidy.foreign_imports(Source(path, text)) == []


def test_listed_builder_of_sql_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidy, "SQL_BUILDERS", frozenset({"persistence/sqlite/a.py:f"}))
    assert tidy.built_sql(Source("persistence/sqlite/a.py", "def f(t):\n  return f'PRAGMA {t}'")) == []


def test_built_sql_is_nobody_elses_affair() -> None:
    assert tidy.built_sql(Source("persistence/memory.py", "q = f'SELECT a FROM {t}'")) == []


def test_private_names_need_no_docstring() -> None:
    text = "'''A.'''\nclass _A:\n def f(self): ...\ndef g():\n '''G.'''\n def h(): ..."
    assert tidy.missing_docstrings(Source("recovery/a.py", text)) == []
    assert tidy.missing_docstrings(Source("recovery/_a.py", "x = 1")) == []


def test_measures_count_what_they_say() -> None:
    text = (
        "def f(a: Any, *b: 'Any') -> list[Any]:\n  x = '# noqa'  # noqa: A1  # why\n  y = 1  # type: ignore[b]  # why\n"
    )
    assert tidy.measures([Source("recovery/a.py", text + "def _g(a: Any): ...\n")]) == {
        "file_lines_max": 4,
        "function_lines_max": 3,
        "noqa": 1,
        "public_any": 3,
        "pyright_ignore": 0,
        "type_ignore": 1,
    }


def test_measures_of_nothing_are_zero() -> None:
    assert set(tidy.measures([]).values()) == {0}


def test_slip_in_either_direction_is_found() -> None:
    assert tidy.slips({"noqa": 1}, {"noqa": 1}) == []
    assert tidy.slips({"noqa": 1}, {"noqa": 2}) == ["noqa: 1 -> 2 (worse)"]
    assert tidy.slips({"noqa": 1}, {"noqa": 0}) == ["noqa: 1 -> 0 (better, but not recorded)"]
    assert tidy.slips({}, {"noqa": 1}) == ["noqa: 0 -> 1 (worse)"]


def test_ratchet_records_the_numbers_of_today(files: list[Source]) -> None:
    found = tidy.slips(json.loads(RATCHET.read_text(encoding="utf-8")), tidy.measures(files))
    assert not found, "\n".join([*found, "Mend what got worse, then: python -m tests.test_tidy --rewrite"])


def rewrite() -> None:
    """Record the numbers of today in tests/ratchet.json."""
    text = json.dumps(tidy.measures(tidy.sources(ROOT)), indent=2, sort_keys=True) + "\n"
    RATCHET.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    if sys.argv[1:] != ["--rewrite"]:
        sys.exit("usage: python -m tests.test_tidy --rewrite")
    rewrite()
