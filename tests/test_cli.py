"""The command line answers with the right exit code, one clear line for what is wrong, and JSON for programs."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from examples.order import Order
from perdure.checking import as_text
from statemachine import diagram
from statemachine.findings import judged
from statemachine.workflow import definition_of
from tests.kit import shipped, shop
from tests.test_findings_kinds import Ready

ROOT = Path(__file__).resolve().parent.parent


def perdure(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-c", "from perdure.cli import main; main()", *words]
    path = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), str(ROOT))))
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment, "PYTHONPATH": path},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with shop(tmp_path) as engine:
        shipped(engine, "o-1")
        engine.start(Order, id="o-2")
    return tmp_path / "shop.db"


def test_help_teaches_the_commands_and_the_exit_codes() -> None:
    shown = perdure("--help")
    assert shown.returncode == 0
    for word in ("perdure demo", "perdure verify shop.db", "Exit codes: 0 fine, 1 findings, 2 usage"):
        assert word in shown.stdout


def test_verify_of_a_sound_file_exits_0(file: Path) -> None:
    shown = perdure("verify", str(file), "examples.order:Order")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == f"{file}: 2 CLEAN, 7 transitions\n"


def test_verify_without_a_class_says_that_data_was_not_read(file: Path) -> None:
    assert perdure("verify", str(file)).stdout == f"{file}: 2 NOT READ, 7 transitions\n"


def test_verify_of_a_damaged_file_exits_1_and_names_the_instance(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("update perdure_instance set time = 0 where name = 'o-2'")
    connection.close()
    shown = perdure("verify", str(file), "examples.order:Order", "-o", "json")
    report = json.loads(shown.stdout)
    assert (shown.returncode, report["counts"]) == (1, {"CLEAN": 1, "REBUILT": 1})
    assert [one["instance"] for one in report["instances"] if one["verdict"] == "REBUILT"] == ["o-2"]


@pytest.mark.parametrize(
    ("code", "words", "told"),
    [
        (2, ("verify",), "Missing argument 'FILE'"),
        (2, ("verify", "FILE", "examples.order"), "names no class. Write module:Class"),
        (2, ("verify", "FILE", "nowhere:Order"), "there is no module 'nowhere'"),
        (2, ("verify", "FILE", "examples.order:Nobody"), "has no attribute 'Nobody'"),
        (2, ("verify", "FILE", "examples.order:Submit"), "is no workflow class"),
        (2, ("verify", "FILE", "-o", "xml"), "'xml' is not one of"),
        (2, ("vrify", "FILE"), "No such command 'vrify'"),
        (2, ("diagram",), "Missing argument 'MODULE:CLASS'"),
        (2, ("diagram", "examples.order:Order", "FILE"), "Which instance of"),
        (2, ("diagram", "examples.order:Order", "--format", "svg"), "'svg' is not one of"),
        (2, ("diagram", "examples.order:Submit"), "is no workflow class"),
        (
            5,
            ("diagram", "examples.order:Order", "FILE", "o-9"),
            "unknown_instance: there is no instance 'o-9' of Order",
        ),
        (5, ("diagram", "examples.order:Order", "nowhere.db", "o-1"), "PS314 nowhere.db: there is no such file"),
        (2, ("check",), "Missing argument 'MODULE:CLASS…'"),
        (2, ("check", "nowhere:Order"), "there is no module 'nowhere'"),
        (2, ("check", "statemachine:Workflow"), "is abstract. Name a class that derives from it"),
        (2, ("check", "examples.order:Submit"), "is no workflow class"),
        (2, ("check", ".:Order"), "Write the whole name of the module"),
        (2, ("check", "./examples/order.py:Order"), "Write the whole name of the module"),
        (2, ("diagram", "..order:Order"), "Write the whole name of the module"),
        (3, ("verify", "README.md"), "PS306 README.md: the file is no SQLite database"),
        (5, ("verify", "nowhere.db"), "PS314 nowhere.db: there is no such file"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_exit_code(
    file: Path, code: int, words: tuple[str, ...], told: str
) -> None:
    shown = perdure(*(str(file) if word == "FILE" else word for word in words))
    assert (shown.returncode, shown.stdout) == (code, "")
    assert told in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_package_that_took_over_the_import_name_is_named_with_the_repair(tmp_path: Path, file: Path) -> None:
    (tmp_path / "statemachine").mkdir()
    (tmp_path / "statemachine" / "__init__.py").write_text('"""Python Finite State Machines."""\n', encoding="utf-8")
    shown = perdure("verify", str(file), cwd=tmp_path / "statemachine", PYTHONPATH=str(tmp_path))
    assert (shown.returncode, shown.stdout) == (3, "")
    assert shown.stderr.startswith("PS320 the package 'statemachine' is not Perdure's")
    for package in ("persistence", "recovery"):
        path = os.pathsep.join((str(tmp_path), str(ROOT)))
        command = [sys.executable, "-c", f"import {package}"]
        shown = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
        )
        assert "pip uninstall python-statemachine perdure" in shown.stderr


def test_check_of_sound_classes_exits_0_and_of_others_1_with_a_line_for_each_finding() -> None:
    sound = perdure("check", "examples.order:Order", "tests.test_findings_kinds:Ready", "tests.typing.subclass:Parking")
    assert (sound.returncode, sound.stderr) == (1, "")
    assert sound.stdout.splitlines() == [
        "examples.order:Order: no findings",
        (
            "PD206 Ready: the eventless 'there', 'back' lead in a circle through 'a', 'b', and nothing on the way "
            "changes what 'is_ready' reads. Give one of them a guard that ends it, or an event."
        ),
        "tests.test_findings_kinds:Ready: 1 finding",
        "tests.typing.subclass:Parking: no findings, 1 accepted",
    ]
    assert perdure("check", "examples.order:Order", "tests.typing.subclass:Parking").returncode == 0


def test_check_tells_programs_what_is_found_and_what_is_accepted() -> None:
    shown = perdure("check", "tests.test_findings_kinds:Ready", "tests.typing.subclass:Parking", "-o", "json")
    ready, parking = json.loads(shown.stdout)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert [(one["code"], one["where"]) for one in ready["findings"]] == [("PD206", "there")]
    assert ready["workflow"] == "tests.test_findings_kinds:Ready"
    assert [(one["code"], one["where"], one["reason"]) for one in parking["accepted"]] == [
        ("PD202", "parked", "kept for instances of revision 1")
    ]
    assert (parking["findings"], parking["complete"]) == ([], True)


STRICT = """
from statemachine import State, Workflow

class Order(Workflow[None], revision=1, strict=True):
    a = State(initial=True)
    lost = State()
"""


def test_check_tells_what_is_found_in_a_class_that_findings_stop(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(STRICT, encoding="utf-8")
    shown = perdure("check", "shop:Order", "-o", "json", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert [(one["code"], one["where"]) for one in json.loads(shown.stdout)[0]["findings"]] == [
        ("PD201", "lost"),
        ("PD202", "a"),
    ]
    told = perdure("check", "shop:Order", "examples.order:Order", cwd=tmp_path).stdout.splitlines()
    assert [line.partition(" ")[0] for line in told] == ["PD201", "PD202", "shop:Order:", "examples.order:Order:"]
    assert perdure("diagram", "shop:Order", cwd=tmp_path).returncode == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (", "shop.py, line 1: SyntaxError: '(' was never closed"),
        ("import os\n1 / 0", "shop.py, line 2: ZeroDivisionError: division by zero"),
        ("raise SystemExit(1)", "shop.py, line 1: SystemExit: 1"),
    ],
)
def test_a_module_that_cannot_be_imported_is_no_finding(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "shop.py").write_text(text, encoding="utf-8")
    shown = perdure("check", "shop:Order", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert told in shown.stderr
    assert "Traceback" not in shown.stderr


def test_check_is_in_color_for_people_unless_they_said_no() -> None:
    results = {"a:B": judged(definition_of(Ready))}
    assert as_text(results, color=True).startswith("\x1b[33m\x1b[1mPD206\x1b[0m Ready: ")
    assert "\x1b" not in perdure("check", "tests.test_findings_kinds:Ready", NO_COLOR="1").stdout
    assert "perdure explain CODE" in perdure("check", "--help").stdout


def test_doctor_says_what_runs_here() -> None:
    shown = perdure("doctor")
    assert shown.returncode == 0
    assert {"python", "SQLite", "transitions", "apsw"} <= {line.split()[0] for line in shown.stdout.splitlines()}


def test_diagram_highlights_a_stored_instance_and_changes_nothing(file: Path) -> None:
    before = file.read_bytes()
    shown = perdure("diagram", "examples.order:Order", str(file), "o-1", "--format", "dot")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == diagram(Order, format="dot", configuration=("shipped",))
    assert file.read_bytes() == before


def test_diagram_of_a_class_alone_highlights_nothing() -> None:
    assert perdure("diagram", "examples.order:Order").stdout == diagram(Order)


def test_diagram_of_an_instance_that_is_not_sound_is_refused(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("update perdure_instance set time = 0 where name = 'o-2'")
    connection.close()
    shown = perdure("diagram", "examples.order:Order", str(file), "o-2")

    assert (shown.returncode, shown.stdout) == (3, "")
    assert shown.stderr.startswith("instance_unsound: 'o-2'")
