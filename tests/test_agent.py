"""The scripted agent survives a real SIGKILL, and every program of docs/agents.md runs."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.order import Order
from statemachine import Engine
from tests.patience import WAIT_SECONDS_MAX
from tests.snippets import python_blocks

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
WHOLE_WAY = ["Submit", "Approve", "Charged", "Labelled", "Picked"]


def agent(*arguments: str | os.PathLike[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "examples.agent", *(os.fspath(one) for one in arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=WAIT_SECONDS_MAX)


def outcomes(path: Path) -> list[tuple[str, str]]:
    """What the agent read, call by call."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(line["outcome"]["outcome"], line["outcome"]["code"]) for line in lines if "outcome" in line]


@pytest.mark.parametrize(("mode", "orders"), [("sync", ["sync-1"]), ("async", ["async-1", "async-2"])])
def test_an_agent_that_is_killed_after_a_commit_goes_on_in_a_new_process(
    mode: str, orders: list[str], tmp_path: Path
) -> None:
    """The call whose answer was lost is repeated under its key, replayed, and nothing happens twice."""
    killed = agent(tmp_path, mode, "Approve")
    again = agent(tmp_path, mode, "nowhere")

    assert (killed.returncode, again.returncode) == (-signal.SIGKILL, 0), killed.stderr + again.stderr
    died_at = re.search(r"(\w+-\d+)-call-\d+ +Approve was committed; SIGKILL", killed.stdout)
    assert died_at is not None, killed.stdout
    assert died_at[1] in orders  # of two at work at once, either may be the first
    assert outcomes(tmp_path / f"{died_at[1]}.jsonl") == [
        ("refused", "invalid_payload"),
        ("committed", ""),
        ("refused", "role_missing"),
        ("replayed", ""),
        *[("committed", "")] * 3,
    ]
    with Engine(tmp_path / "shop.db", Order) as engine:
        assert [one.id for one in engine.list(Order)] == orders
        for order in engine.list(Order):
            assert [one.event for one in order.history()[1:]] == WHOLE_WAY
        assert engine.sql().execute("select n from stock") == [(5 - len(orders),)]


@pytest.mark.long
def test_the_whole_story_is_told() -> None:
    told = agent()

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.count("ended by SIGKILL") == 2
    assert 'arguments.total: expected an integer, got "1800"' in told.stdout
    assert told.stdout.endswith("lamps left: 2 of 5\n")


def test_every_program_of_the_page_runs() -> None:
    names: dict[str, Any] = {"__name__": "agents_page"}
    blocks = python_blocks(PAGE)
    for block in blocks:
        exec(compile(block, "docs/agents.md", "exec"), names)  # noqa: S102  # our own page

    assert len(blocks) == 5
