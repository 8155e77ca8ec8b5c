"""Each code's example triggers that code and no other; command and page say the same, from one source."""

from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from perdure.cli import cli
from perdure.explaining import Explanation, explanations, near
from statemachine import DefinitionError, FrameError
from statemachine.errors import REFUSALS
from tests.errors_page import PAGE, page
from tests.test_errors import ROOT, codes

KNOWN = explanations()

PRELUDE = """
from typing import IO, ClassVar
from attrs import define, frozen
from persistence import MemoryStore
from statemachine import *
from statemachine.scxml import DocumentData

@frozen
class Go: ...
@frozen
class Stop: ...
@define
class Trail:
    steps: int = 0
"""


def raised_by(example: str) -> str:
    """The code of the error that a program raises."""
    with pytest.raises((DefinitionError, FrameError)) as raised:
        exec(compile(PRELUDE + example, "example", "exec"), {"__name__": "example"})  # noqa: S102  # ours
    return str(raised.value).partition(" ")[0]


@pytest.mark.parametrize("one", [one for one in KNOWN.values() if one.example], ids=lambda one: one.code)
def test_an_example_triggers_its_code(one: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert raised_by(one.example) == one.code
    assert list(tmp_path.iterdir()) == []


def test_every_error_of_author_and_callback_has_an_example() -> None:
    assert [one.code for one in KNOWN.values() if one.code[:2] in {"PD", "PF"} and not one.example] == []


def raised_in_sources() -> set[str]:
    """Every code that stands in the packages."""
    folders = ("statemachine", "persistence", "recovery", "perdure")
    paths = (path for name in folders for path in (ROOT / name).rglob("*.py") if path.name != "cli.py")
    return codes("\n".join(path.read_text(encoding="utf-8") for path in paths))


def test_every_code_is_explained_and_no_other() -> None:
    assert set(KNOWN) == raised_in_sources() | set(REFUSALS)


def test_every_entry_is_made_of_sentences() -> None:
    for one in KNOWN.values():
        for text in (one.rule, one.repair):
            assert text.endswith("."), one.code
            assert "\n" not in text, one.code


def test_the_page_is_written_from_the_same_source() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(KNOWN), "run: python -m tests.errors_page"


def ask(*words: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    result = CliRunner().invoke(cli, ["explain", *words], standalone_mode=False)
    assert result.exception is None
    return cast("int", cast("Any", result).return_value), result.output


@pytest.mark.parametrize("code", ["PD104", "pd104"])
def test_explain_prints_rule_example_and_repair(code: str) -> None:
    exit_code, shown = ask(code)

    entry = KNOWN["PD104"]
    assert exit_code == 0
    assert shown.startswith("PD104 (DefinitionError)\n\nRule:    ")
    assert entry.rule in shown
    assert "\n    class Order(Workflow[Trail], revision=1):\n        cart = State()\n" in shown
    assert shown.endswith(f"\n\nRepair:  {entry.repair}\n")


def test_explain_of_a_refusal_and_of_a_store_error_needs_no_example() -> None:
    assert ask("Guard_Failed")[1].splitlines() == [
        "guard_failed (Refused)",
        "",
        "Rule:    A rule takes this event, but its guard says no.",
        "",
        f"Repair:  {KNOWN['guard_failed'].repair}",
    ]
    assert ask("PS301")[1].startswith("PS301 (Busy)\n")


def test_explain_without_a_code_lists_all_of_them() -> None:
    exit_code, shown = ask()

    assert exit_code == 0
    assert [line.split()[0] for line in shown.splitlines()] == list(KNOWN)


def test_an_unknown_code_exits_5_and_names_what_is_near() -> None:
    assert ask("PD999")[0] == 5
    assert near("gard_failed", list(KNOWN)) == ["guard_failed"]
    assert near("PD10", ["PD101", "PS300"]) == ["PD101"]
    assert near("nothing like it", list(KNOWN)) == []
    assert "Did you mean guard_failed?" in ask("gard_failed")[1]
    assert "perdure explain lists them all." in ask("zzzz")[1]
