"""What `python -m tests.typing` (part of `make lint`) compares is compared rightly, and its sound programs run."""

import asyncio
import json
from pathlib import Path

import pytest

from statemachine import DefinitionError, Engine
from statemachine.workflow import definition_of
from tests.typing import order, semantics, subclass
from tests.typing.__main__ import ROOT, differences, errors_of_mypy, errors_of_pyright, marked, programs, versions


def test_sound_programs_hold_no_mark_and_that_of_mistakes_holds_many() -> None:
    assert {name for name, _ in marked(programs())} == {"mistakes.py"}
    assert len(marked(programs())) >= 107
    assert {path.name for path in programs()} == {"mistakes.py", "order.py", "semantics.py", "subclass.py"}


def test_no_program_silences_a_checker() -> None:
    for path in programs():
        text = path.read_text(encoding="utf-8")
        assert "type: ignore" not in text
        assert "pyright:" not in text
        assert "cast(" not in text


def test_a_missed_mark_and_an_error_without_one_are_told() -> None:
    assert differences({("a.py", 1), ("a.py", 2)}, {("a.py", 2), ("a.py", 3)}) == [
        "a.py:1: marked, and no error",
        "a.py:3: an error, and not marked",
    ]


def test_lines_are_read_from_what_the_checkers_print() -> None:
    shown = "tests/typing/a.py:7: error: no\ntests/typing/a.py:8: note: hm\nstatemachine/b.py:9: error: no\n"
    assert errors_of_mypy(shown) == {("a.py", 7)}
    at = {"file": "/x/tests/typing/a.py", "range": {"start": {"line": 6}}}
    printed = json.dumps({"generalDiagnostics": [{**at, "severity": "error"}, {**at, "severity": "information"}]})
    assert errors_of_pyright(printed) == {("a.py", 7)}


def test_oldest_and_newest_python_are_those_of_the_classifiers() -> None:
    text = '[project]\nclassifiers = ["A :: Python :: 3.11", "A :: 3 :: Only", "A :: 3.9", "A :: 3.12"]\n'
    assert versions(text) == ("3.9", "3.12")
    assert versions((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[0] == "3.11"


def test_the_programs_are_defined_and_run_as_unit_tests() -> None:
    asyncio.run(subclass.unit_tests())
    semantics.unit_tests()


def test_the_program_of_the_design_is_refused_by_an_engine_until_tasks_run(tmp_path: Path) -> None:
    with Engine(tmp_path / "shop.db", order.Order) as engine, pytest.raises(DefinitionError, match=r"^PD152 Order: "):
        engine.start(order.Order)


def test_tasks_and_timers_are_part_of_the_fingerprint() -> None:
    definition = definition_of(order.Order)
    assert [(one.name, one.result, one.attempts, one.delay_ms, one.timeout_ms) for one in definition.tasks] == [
        ("charge", "charged", 5, 2_000, 30_000)
    ]
    assert [(one.name, one.sources, one.delay_ms) for one in definition.timers] == [
        ("review_expired", ("review",), 172_800_000)
    ]
    assert '"tasks":[{"name":"charge","state":"charging"' in definition.chart.text
    assert '"timers":[{"name":"review_expired","delay_ms":172800000' in definition.chart.text
