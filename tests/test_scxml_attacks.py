"""Documents and scripts that attack: each is refused with its code, soon, and within bounded memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from statemachine import Cursor, DefinitionError, FrameError, Refused, Workflow
from statemachine.scxml import DocumentData, make_event
from statemachine.scxml.compiling import EVENTS_MAX, RULES_MAX
from statemachine.scxml.reading import BYTES_MAX, DEPTH_MAX, ELEMENTS_MAX

MEGABYTE = 1 << 20

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION_LAUGHS = f'<!DOCTYPE scxml [<!ENTITY l0 "lol">{LAUGHS}]><scxml name="x"><state id="&l9;"/></scxml>'
EXTERNAL_ENTITY = '<!DOCTYPE scxml [<!ENTITY x SYSTEM "file:///etc/passwd">]><scxml name="x"><state id="&x;"/></scxml>'
EXTERNAL_DTD = '<!DOCTYPE scxml SYSTEM "http://localhost:9/never.dtd"><scxml name="x"><state id="a"/></scxml>'


def refused(source: str | Path) -> str:
    """The code with which a document is refused."""
    with pytest.raises(DefinitionError) as raised:
        Workflow.from_scxml(source)
    return raised.value.code


def peak(run: Callable[[], object]) -> int:
    """The most memory that was taken at once."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def failing_or_state(document: str) -> str:
    """The code with which a document fails as it starts, or the state in which it then is."""
    try:
        return str(Cursor(Workflow.from_scxml(document), DocumentData()).state)
    except FrameError as error:
        return error.code


def scripted(script: str) -> Callable[[], object]:
    """Start an instance that runs a script."""
    text = (
        f'<scxml name="x"><datamodel><data id="x"/></datamodel><state id="a"><onentry>'
        f"<script>{script}</script></onentry></state></scxml>"
    )
    workflow = Workflow.from_scxml(text.replace("&", "&amp;"))
    return lambda: Cursor(workflow, DocumentData())


def taking(events: int, wildcards: int) -> str:
    """A document with so many names of events, and so many states that take them all."""
    named = "".join(f'<transition event="e{number}"/>' for number in range(events))
    others = "<state><transition event='*'/></state>" * wildcards
    return f"<scxml name='x'><state>{named}</state>{others}</scxml>"


def sending(events: int, states: int) -> str:
    """A document that takes so many events, sends one, and has so many states in which it can arrive."""
    return (
        taking(events, 0)
        .replace("<state>", "<state><onentry><send event='e0'/></onentry>")
        .replace("</scxml>", f"{'<state/>' * states}</scxml>")
    )


@pytest.mark.parametrize(
    "document",
    [
        taking(EVENTS_MAX + 1, 0),
        taking(EVENTS_MAX, RULES_MAX // EVENTS_MAX + 1),
        sending(1000, RULES_MAX // 1000 + 1),
        f"<scxml name='x'><state id='{'a' * 201}'/></scxml>",
        f"<scxml name='x'><state><transition event='{'a.' * 100}a'/></state></scxml>",
        f"<scxml name='x'><state><onentry><raise event='{'a.' * 100}a'/></onentry></state></scxml>",
        f"<scxml name='x'><state><onentry><send event='{'a.' * 100}a'/></onentry></state></scxml>",
    ],
    ids=["events", "rules", "arrivals", "id", "event", "raise", "send"],
)
def test_a_document_that_would_become_too_large_a_chart_is_refused(document: str) -> None:
    assert refused(document) == "PD162"


def test_a_name_of_an_event_that_is_too_long_takes_nobody_any_time() -> None:
    """The name that begins it is looked for among those that are known, not among all that begin it."""
    workflow = Workflow.from_scxml("<scxml name='x'><state><transition event='a'/></state></scxml>")

    assert make_event(workflow, "a" + ".b" * (MEGABYTE // 2)).event_name == "a"
    with pytest.raises(Refused, match="unknown_event"):
        make_event(workflow, "ab" * MEGABYTE)


@pytest.mark.parametrize("document", [BILLION_LAUGHS, EXTERNAL_ENTITY, EXTERNAL_DTD])
def test_a_document_type_is_refused_before_anything_is_expanded_or_fetched(document: str) -> None:
    assert refused(document) == "PD161"


def test_an_entity_that_nobody_declared_is_no_xml() -> None:
    assert refused('<scxml name="x"><state id="&x;"/></scxml>') == "PD160"


def test_a_document_of_100_megabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "large.scxml"
    with path.open("wb") as file:
        file.truncate(100 * MEGABYTE)

    assert peak(lambda: refused(path)) < 8 * MEGABYTE
    assert refused("<scxml>" + " " * BYTES_MAX) == "PD162"


def test_ten_thousand_nested_elements_are_refused_at_the_first_that_is_too_deep() -> None:
    document = '<scxml name="x">' + "".join(f'<state id="s{n}">' for n in range(10_000))

    assert peak(lambda: refused(document)) < 8 * MEGABYTE
    with pytest.raises(
        DefinitionError, match=rf"^PD162 .*, line 1, column \d+: elements are nested deeper than {DEPTH_MAX}"
    ):
        Workflow.from_scxml(document)


def test_too_many_elements_and_states_are_refused() -> None:
    assert refused('<scxml name="x">' + "<state/>" * (ELEMENTS_MAX + 1)) == "PD162"
    assert refused('<scxml name="x">' + "<state/>" * 2_500 + "</scxml>") == "PD162"


@pytest.mark.parametrize(
    "script",
    [
        "while (true) {}",
        "for (;;) x = 1",
        "x = 'a'; while (true) x += x",
        "x = 'a'; while (true) x = x.concat(x, x)",
        "x = [1]; while (true) x = x.concat(x)",
        "x = []; while (true) x.push(x)",
        "x = ['0123456789']; while (true) x = [x.join(x), x.join(x)]",
        "x = 'aaaaaaaaaaaaaaaaaaaa'; for (var i = 0; 15 > i; i++) x += x; var y = []; while (true) y.push(x)",
        "x = {}; while (true) x = {a: x, b: x}",
        "x = [0]; while (true) x = JSON.parse('[' + JSON.stringify(x) + ',' + JSON.stringify(x) + ']')",
        "x = ''; while (true) x += [x, x, x]",
        "x = 'ß'; while (true) x = x.toUpperCase()",
    ],
)
def test_a_script_that_does_not_end_or_grows_is_stopped_within_bounds(script: str) -> None:
    begin = scripted(script)
    raised: list[str] = []

    def run() -> None:
        with pytest.raises(FrameError) as error:
            begin()
        raised.append(error.value.code)

    assert peak(run) < 64 * MEGABYTE
    assert raised == ["PF461"]


def test_functions_that_call_themselves_are_stopped() -> None:
    document = (
        '<scxml name="x"><script>function f() { return f(); }</script><state id="a"><onentry>'
        '<log expr="f()"/></onentry></state></scxml>'
    )
    workflow = Workflow.from_scxml(document)

    with pytest.raises(FrameError, match=r"^PF461 .* deeper than 20 levels"):
        Cursor(workflow, DocumentData())


@pytest.mark.parametrize(
    "expression",
    [
        "9" * 100_000 + " * 9",
        "Math.pow(10, Math.pow(10, 300))",
        "1e308 * 1e308",
        "0x" + "f" * 16 + " * 1e300",
        "parseInt('" + "9" * 10_000 + "')",
        "Number('" + "9" * 10_000 + "')",
    ],
)
def test_huge_numbers_are_doubles_and_cost_nothing(expression: str) -> None:
    assert peak(scripted(f"var y = [{expression} > 1, isNaN({expression})]")) < 8 * MEGABYTE


@pytest.mark.parametrize(
    "expression", ["(" * 5_000 + "1", "1" + "+1" * 5_000, "-" * 5_000 + "1", "x" + "[0]" * 5_000, "a ? " * 5_000]
)
def test_expressions_that_are_nested_too_deep_are_refused_when_the_document_is_read(expression: str) -> None:
    assert refused(f'<scxml name="x"><state id="a"><transition cond="{expression}"/></state></scxml>') == "PD169"


@pytest.mark.parametrize(
    "expression",
    [
        "''.constructor",
        "x.__proto__",
        "x.__class__",
        "[].__class__.__base__",
        "Math.constructor",
        "In.call",
        "JSON.__globals__",
    ],
)
def test_no_expression_reaches_python(expression: str) -> None:
    document = (
        f'<scxml name="x"><datamodel><data id="x" expr="{{}}"/></datamodel><state id="a">'
        f'<transition cond="{expression} !== undefined" target="b"/></state><state id="b"/></scxml>'
    )
    assert failing_or_state(document) in {"PF460", "a"}


@pytest.mark.parametrize(
    "name", ["eval", "exec", "open", "__import__", "globals", "Function", "require", "process", "this"]
)
def test_names_of_other_languages_mean_nothing(name: str) -> None:
    document = f'<scxml name="x"><state id="a"><onentry><log expr="{name}(1)"/></onentry></state></scxml>'
    with pytest.raises((FrameError, DefinitionError)) as raised:
        Cursor(Workflow.from_scxml(document), DocumentData())
    assert str(raised.value).startswith(("PF460 ", "PD169 "))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("let a = []; for (let i = 0; 5000 > i; i++) a = [a]; x = a", "PF460"),
        ("let a = []; for (let i = 0; 5000 > i; i++) a = [a]; x = '' + a", "PF461"),
        ("let a = []; for (let i = 0; 5000 > i; i++) a = {a: a}; x = JSON.stringify(a)", "PF461"),
    ],
)
def test_what_is_nested_too_deep_is_neither_kept_nor_written(script: str, expected: str) -> None:
    with pytest.raises(FrameError) as raised:
        scripted(script)()
    assert raised.value.code == expected


def test_a_remark_without_an_end_is_found_at_once() -> None:
    document = f"<scxml name='x'><script>{'/* ' * 200_000}</script><state id='a'/></scxml>"

    with pytest.raises(DefinitionError, match=r"^PD169 .* the remark that begins here has no end"):
        Workflow.from_scxml(document)


def test_what_is_just_within_the_limits_is_read() -> None:
    """The control of the tests above: it is the limit that refuses, and nothing else."""
    deep = "".join(f'<state id="s{n}">' for n in range(DEPTH_MAX - 1)) + "</state>" * (DEPTH_MAX - 1)

    assert Workflow.from_scxml(f'<scxml name="x">{deep}</scxml>').__name__ == "x"
    scripted("x = 0; while (x !== 10000) x++")()
