"""What judges SCION's suite finds what is wrong, and the players notice a trace that is not kept.

The suite itself is fetched by `python -m tests.conformance scion`; here are documents of our own.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.scion_players import InMemory, Player, Trace, in_memory_store, in_sqlite, play, read_trace
from tests.conformance.scion_suite import (
    FINDINGS,
    KNOWN,
    LEAST,
    Result,
    contradictions,
    findings_of,
    group_of,
    judge,
    judge_findings,
    reviewed,
)

DOCUMENT = """
<scxml><datamodel><data id="n" expr="0"/></datamodel>
<state id="a"><transition event="go" target="b">
  <send event="late" delay="50ms"/><assign location="n" expr="n + 1"/>
</transition></state>
<state id="b"><transition event="late" cond="n === 1" target="c"/></state><state id="c"/></scxml>
"""
PLAYERS: dict[str, Callable[[Trace, Path], Player]] = {
    "cursor": lambda trace, _: InMemory(trace.make()),
    "memory": lambda trace, _: in_memory_store(trace),
    "sqlite": in_sqlite,
}


@pytest.fixture(params=PLAYERS)
def player(request: pytest.FixtureRequest) -> Callable[[Trace, Path], Player]:
    return PLAYERS[str(request.param)]


def traced(folder: Path, *configurations: str) -> Trace:
    """The trace of our document: at the start, after go, and 100 ms later after an event that nothing takes."""
    first, second, third = configurations
    events = [
        {"event": {"name": "go"}, "nextConfiguration": [second]},
        {"after": 100, "event": {"name": "nothing"}, "nextConfiguration": [third]},
    ]
    document = folder / "one.scxml"
    document.write_text(DOCUMENT, encoding="utf-8")
    document.with_suffix(".json").write_text(
        json.dumps({"initialConfiguration": [first], "events": events}), encoding="utf-8"
    )
    return read_trace(document)


def test_a_trace_with_delays_is_kept(player: Callable[[Trace, Path], Player], tmp_path: Path) -> None:
    trace = traced(tmp_path, "a", "b", "c")

    assert trace.has_delays
    assert play(trace, player(trace, tmp_path)) is None


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (("b", "b", "c"), "at the start: a, expected b"),
        (("a", "a", "c"), "after event 1, go: b, expected a"),
        (("a", "b", "b"), "after event 2, nothing: c, expected b"),
    ],
)
def test_a_trace_that_is_not_kept_is_found(
    player: Callable[[Trace, Path], Player], wrong: tuple[str, ...], found: str, tmp_path: Path
) -> None:
    trace = traced(tmp_path, *wrong)

    assert play(trace, player(trace, tmp_path)) == found


def test_a_document_needs_a_data_model_if_it_has_data_content_or_conditions(tmp_path: Path) -> None:
    document = tmp_path / "one.scxml"
    bodies = ["", "<onentry><log/></onentry>", "<transition cond='true'/>", "<datamodel/>"]
    groups: list[str] = []
    for body in bodies:
        document.write_text(f"<scxml><state id='a'>{body}</state></scxml>", encoding="utf-8")
        groups.append(group_of(document))

    assert groups == ["no data model", "data model", "data model", "data model"]


SOUND = [Result("g", "a", None), Result("g", "b", "expected x")]


@pytest.mark.parametrize(
    ("results", "known", "least", "wrong"),
    [
        (SOUND, {"b": "a reason"}, {"g": 1}, []),
        (SOUND, {}, {"g": 1}, ["g: b: expected x"]),
        (SOUND, {"a": "a reason", "b": "a reason"}, {"g": 1}, ["g: a passes: take it off the list"]),
        (SOUND, {"b": "a reason", "c": "a reason"}, {"g": 1}, ["c is on the list and in no run"]),
        (SOUND, {"b": "a reason"}, {"g": 2}, ["g: 1 passed, and 2 did"]),
        ([], {}, {"g": 1}, ["g: 0 passed, and 1 did"]),
    ],
)
def test_the_judge_finds_what_is_wrong(
    results: list[Result], known: dict[str, str], least: dict[str, int], wrong: list[str]
) -> None:
    assert judge(results, known=known, least=least) == wrong


def test_the_list_and_the_counts_make_127() -> None:
    assert LEAST["no data model"] + LEAST["data model"] + len(KNOWN) == 127
    assert LEAST["durable, memory"] == LEAST["durable, sqlite"] == 127 - len(KNOWN)


def test_what_is_found_in_a_chart_is_told_and_held_against_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = traced(tmp_path, "a", "b", "c")
    assert contradictions(trace) == []

    monkeypatch.setattr("tests.conformance.scion_suite.findings_of", lambda _: ("one", ["PD201 b", "PD202 c"]))
    assert contradictions(trace) == [f"{trace.name}: b is called unreachable, and is active in its trace"]


def test_a_refused_chart_has_no_findings(tmp_path: Path) -> None:
    trace = traced(tmp_path, "a", "b", "c")
    (tmp_path / "one.scxml").write_text("<scxml><state id='a'><nothing/></state></scxml>", encoding="utf-8")

    assert findings_of(trace) == (trace.name, [])


@pytest.mark.parametrize(
    ("found", "known", "count", "wrong"),
    [
        ({"a": ["PD201 x"], "b": []}, {"a": ["PD201 x"]}, 1, []),
        ({"a": ["PD201 x", "PD202 y"]}, {"a": ["PD201 x"]}, 1, ["a: PD202 y is found, and not reviewed"]),
        ({"a": []}, {"a": ["PD201 x"]}, 1, ["a: PD201 x is not found any more"]),
        ({"a": ["PD201 x"]}, {"a": ["PD201 x"]}, 2, ["1 findings are listed, and 2 were reviewed"]),
    ],
)
def test_a_finding_more_or_less_is_wrong(
    found: dict[str, list[str]], known: dict[str, list[str]], count: int, wrong: list[str]
) -> None:
    assert judge_findings(found, known, count=count) == wrong


def test_as_many_findings_are_listed_as_were_reviewed() -> None:
    assert sum(map(len, reviewed().values())) == FINDINGS
