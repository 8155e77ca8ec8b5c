"""Values in a declaration that type checkers would refuse, or that a store could not keep: each has its golden text."""

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import frozen

from statemachine import (
    Compound,
    Cursor,
    DefinitionError,
    Engine,
    Final,
    History,
    State,
    Workflow,
    after,
    check,
    diagram,
    enter,
    invariant,
    on,
    on_error,
)


@frozen
class Go: ...


loose = cast("Any", on)


def declare(body: dict[str, Any], **keywords: Any) -> type[Any]:
    """Define a workflow called W."""
    line = {"revision": 1, **keywords}
    return types.new_class("W", (Workflow[None],), line, lambda namespace: namespace.update(body))


def region(**body: Any) -> type[Any]:
    """Make a region called box."""
    return types.new_class("box", (Compound,), {}, lambda namespace: namespace.update(body))


def called(name: str) -> dict[str, Any]:
    """A body in which a state has this name."""
    return {"a": State(initial=True), name: State()}


def held(name: str) -> dict[str, Any]:
    """A body in which a nested state has this name."""
    return {"a": State(initial=True), "box": region(**{"b": State(initial=True), name: State()})}


def remembered(name: str) -> dict[str, Any]:
    """A body in which a history has this name."""
    inner = State(initial=True)
    return {"a": State(initial=True), "box": region(**{"b": inner, name: History(to=inner)})}


class Slotted:
    """Can be called, and takes no attribute."""

    __slots__ = ()

    def __call__(self) -> None: ...

    def __repr__(self) -> str:
        return "<slotted>"


def nested(levels: int) -> dict[str, Any]:
    """A body with states that far inside each other."""
    inner: Any = State(initial=True)
    for _ in range(levels - 1):
        inner = around(inner)
    return {"box": inner}


def around(inner: Any) -> type[Any]:
    """A region that holds one state."""
    return types.new_class("box", (Compound,), {"initial": True}, lambda body: body.update(box=inner))


def test_states_may_be_nested_as_deep_as_the_limit() -> None:
    workflow = declare(nested(100))

    assert str(Cursor(workflow, None).state).count(".") == 99
    assert diagram(workflow).count("{") == 99
    assert [one.code for one in check(workflow)] == ["PD202"]


def no_outcome(shown: str) -> str:
    return f"PD153 Final(outcome={shown}): an outcome is a text that can be stored. Write outcome='paid'."


def no_name(shown: str) -> str:
    return f"PD154 W: {shown} cannot be the name of a state. Leave out , | = : . and signs that do not show."


def no_method(shown: str) -> str:
    return f"PD121 {shown} is decorated as a rule and is no method. Put the decorator on a def."


ROLES = "Write roles=('manager',)."

MISTAKES: list[tuple[Callable[[], object], str]] = [
    (lambda: Final(outcome=cast("Any", 5)), no_outcome("5")),
    (lambda: Final(outcome=cast("Any", b"x")), no_outcome("b'x'")),
    (lambda: Final(outcome=""), no_outcome("''")),
    (lambda: Final(outcome="\ud800"), no_outcome("'\\ud800'")),
    (lambda: loose(Go, State(), to=None, roles=("\ud800",)), f"PD119 @on(Go): roles=('\\ud800',) is no tuple. {ROLES}"),
    (lambda: loose(Go, State(), to=None, roles=("",)), f"PD119 @on(Go): roles=('',) is no tuple. {ROLES}"),
    (
        lambda: State(tags=("\ud800",)),
        "PD119 State(tags=('\\ud800',)): tags are a tuple of texts. Write ('human',).",
    ),
    (lambda: loose(Go, State(), to=None)(print), no_method("<built-in function print>")),
    (lambda: loose(Go, State(), to=None)(str.upper), no_method("<method 'upper' of 'str' objects>")),
    (lambda: loose(Go, State(), to=None)(Slotted()), no_method("<slotted>")),
    (lambda: cast("Any", enter)(State())(print), no_method("<built-in function print>")),
    (lambda: cast("Any", after)("1s", State(), to=None)(print), no_method("<built-in function print>")),
    (lambda: cast("Any", on_error)(State(), to=None)(print), no_method("<built-in function print>")),
    (lambda: invariant(cast("Any", print)), no_method("<built-in function print>")),
    (lambda: declare(called("a,b")), no_name("'a,b'")),
    (lambda: declare(called("a.b")), no_name("'a.b'")),
    (lambda: declare(called("\ud800")), no_name("'\\ud800'")),
    (lambda: declare(called("")), no_name("''")),
    (lambda: declare(called("\u00a0")), no_name("'\\xa0'")),
    (lambda: declare(called("a\nb")), no_name("'a\\nb'")),
    (lambda: declare(held("b|c")), no_name("'b|c'")),
    (lambda: declare(held("b.c")), no_name("'b.c'")),
    (lambda: declare(remembered("h=b")), no_name("'h=b'")),
    (lambda: declare(nested(101)), "PD155 W: states are nested deeper than 100 levels. Flatten the chart."),
    (lambda: declare(nested(2000)), "PD155 W: states are nested deeper than 100 levels. Flatten the chart."),
    (
        lambda: declare({"a": State(initial=True)}, revision=2**63),
        "PD101 W: revision=9223372036854775808. Write revision=1 in the class line, or higher.",
    ),
]


@pytest.mark.parametrize(("mistake", "expected"), MISTAKES)
def test_a_mistake_is_refused_with_its_text(mistake: Callable[[], object], expected: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        mistake()

    assert str(raised.value) == expected


def test_a_name_that_no_class_statement_makes_is_kept_through_a_store(tmp_path: Path) -> None:
    """A blank is no mark: machines of transitions have such names."""
    wide = declare({"at home": State(initial=True, tags=("x",))})
    with Engine(tmp_path / "wide.db", wide) as engine:
        engine.start(wide, id="w")
    with Engine(tmp_path / "wide.db", wide) as engine:
        assert engine.get(wide, "w").state == "at home"
