"""More mistakes of authors, each with its golden text: names that are lost, mixins, durations, tasks, hints."""
# These are the mistakes; that type checkers find some of them too is shown in tests/typing.
# pyright: reportRedeclaration=false, reportUndefinedVariable=false, reportAssignmentType=false

import types
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import wraps
from typing import Any, Literal, NewType, Protocol, TypeVar, cast

import attrs
import pytest
from attrs import define, frozen

from statemachine import (
    ANY,
    Compound,
    DefinitionError,
    Final,
    Retry,
    State,
    Workflow,
    after,
    always,
    enter,
    invariant,
    on,
    task,
)
from statemachine.durations import DURATION_MS_MAX, milliseconds
from statemachine.hints import accepts
from statemachine.signatures import Signatures
from statemachine.workflow import definition_of
from tests.kit import LISTED


@frozen
class Go: ...


@frozen
class Stop: ...


@frozen
class GoFast(Go): ...


@define
class Trail:
    steps: int = 0


loose = cast("Any", on)
Names = dict[str, Any]


def declare(*bases: Any, **body: Any) -> type[Any]:
    """Define a workflow called W."""
    return types.new_class("W", bases or (Workflow,), {"revision": 1}, lambda namespace: namespace.update(body))


def keyword(**keywords: Any) -> type[Any]:
    """Define a workflow with other class keywords."""
    body = {"a": State(initial=True)}
    return types.new_class("W", (Workflow,), {"revision": 1} | keywords, lambda namespace: namespace.update(body))


def in_a_body(make: Callable[[], object]) -> Callable[[], object]:
    """Keep a class statement as it is written: what it loses is part of the mistake."""
    return make


def state_twice() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)
        a = State()  # noqa: PIE794  # the mistake


def state_hidden_by_method() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)

        def a(self) -> None: ...  # type: ignore[no-redef]  # noqa: F811  # the mistake


def rule_twice() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)

        @on(Go, a, to=None)
        def move(self, event: Go) -> None: ...

        @on(Stop, a, to=None)  # type: ignore[no-redef]  # the mistake
        def move(self, event: Stop) -> None: ...  # noqa: F811  # the mistake


def rule_lost_in_a_decorator() -> None:
    def unwrapped(function: Callable[..., object]) -> Any:
        def call(*given: object) -> object:
            return function(*given)

        return call

    class W(Workflow[None], revision=1):
        a = State(initial=True)

        @unwrapped
        @on(Go, a, to=None)
        def move(self, event: Go) -> None: ...


def state_in_a_region_twice() -> None:
    class W(Workflow[None], revision=1):
        class box(Compound, initial=True):
            a = State(initial=True)
            a = State()  # noqa: PIE794  # the mistake


def region_twice() -> None:
    class W(Workflow[None], revision=1):
        class box(Compound, initial=True):
            a = State(initial=True)

        class box(Compound, initial=True):  # type: ignore[no-redef]  # noqa: F811  # the mistake
            b = State(initial=True)


def state_without_a_name() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)

        @on(Go, State(), to=None)
        def go(self, event: Go) -> None: ...


def task_twice() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)

        @task(a, done=None, failed=a)
        def work(self) -> None: ...

        @task(a, done=None, failed=a)  # type: ignore[no-redef]  # the mistake
        def work(self) -> None: ...  # noqa: F811  # the mistake


def two_names() -> None:
    class W(Workflow[None], revision=1):
        a = b = State(initial=True)


def base_and_name() -> None:
    class W(Workflow[None], revision=1):
        a = State()
        start = State(initial=True)

    declare(W, b=W.a)


def guard_twice() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)

        def allowed(self) -> bool:
            return True

        @on(Go, a, to=None, when=allowed)
        def go(self, event: Go) -> None: ...

        def allowed(self) -> bool:  # type: ignore[no-redef]  # the mistake
            return False


class Stopping:
    @on(Stop, ANY, to=None)
    def stop(self, event: Stop) -> None: ...


class Having:
    extra = State()


class Making:
    def __init__(self) -> None: ...


class Whole(Workflow[None], revision=1):
    a = State(initial=True)

    @on(Go, a, to=None)
    def go(self, event: Go) -> None: ...


def fresh(function: Any) -> Any:
    """Copy a function: decorators note their rules on it."""
    copy = types.FunctionType(function.__code__, globals(), function.__name__)
    copy.__annotations__ = dict(function.__annotations__)
    return copy


def rule(function: Callable[..., object], event: object = Go, **more: Any) -> type[Any]:
    """A workflow with one rule, whose method is given."""
    one = State(initial=True)
    return declare(a=one, go=loose(event, one, to=None, **more)(fresh(function)))


def of_task(work: Callable[..., object], taking: Callable[..., object] | None = None) -> type[Any]:
    """A workflow with one task and perhaps the method that takes its result."""
    one = State(initial=True)
    made = cast("Any", task)(one, done=None, failed=one)(fresh(work))
    return declare(a=one, work=made, **({} if taking is None else {taking.__name__: made.result(fresh(taking))}))


def work_text(self: object) -> str:
    return ""


async def work_text_later(self: object) -> str:
    return ""


def work_coroutine(self: object) -> Coroutine[Any, Any, int]:
    raise NotImplementedError


def work_union(self: object) -> int | None: ...


def work_complex(self: object) -> complex:
    return 1j


def work_unsaid(self): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # the mistake


def work_too_much(self: object, event: Go) -> None: ...


def taking(self: object, result: int) -> None: ...


async def taking_later(self: object, result: str) -> None: ...


def taking_nothing(self: object) -> None: ...


def taking_gone(self: object, result: "Gone") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # the mistake


def go_stop(self: object, event: Stop) -> None: ...


def go_gone(self: object, event: "Gone") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # the mistake


def go_keyword(self: object, event: Go, *, more: int) -> None: ...


def may(self: object, event: Stop) -> bool:
    return True


def go(self: object, event: Go) -> None: ...


def two_handlers() -> None:
    made = cast("Any", task)(State(), done=None, failed=State())(fresh(work_text))
    made.result(fresh(taking))
    made.result(fresh(taking))


def task_and_rule() -> None:
    one = State(initial=True)
    decorated = loose(Go, one, to=None)(fresh(go))
    declare(a=one, go=cast("Any", task)(one, done=None, failed=one)(decorated))


def task_at_a_final() -> None:
    over = Final(initial=True)
    declare(over=over, work=cast("Any", task)(over, done=None, failed=over)(fresh(work_text)))


def line(make: Callable[[], object], offset: int) -> int:
    """The number of a line of one of the functions above."""
    return make.__code__.co_firstlineno + offset


OWN = "Give each state and rule its own name."
NAMELESS = f"it has no name, or its name was given again. {OWN}"


def again(name: str) -> str:
    """What is said of a name that was given twice."""
    return f"the name {name!r} was given again. {OWN}"


DURATION = (
    "is no duration. Write a text such as '48h', '30s' or '1d12h' (w, d, h, m, s, ms; largest first, whole numbers), "
    "or a timedelta of whole milliseconds, above 0."
)
PLAIN = "Derive the mixin from Workflow, with abstract=True, or leave plain helpers in it."

MISTAKES: list[tuple[Callable[[], object], str]] = [
    (
        state_twice,
        f"PD123 W: the state of line {line(state_twice, 2)} is lost: {again('a')}",
    ),
    (
        state_hidden_by_method,
        f"PD123 W: the state of line {line(state_hidden_by_method, 2)} is lost: {NAMELESS}",
    ),
    (rule_twice, f"PD123 W: the rule of line {line(rule_twice, 4)} is lost: {again('move')}"),
    (
        rule_lost_in_a_decorator,
        f"PD123 W: the rule of line {line(rule_lost_in_a_decorator, 11)} is lost: {again('move')}",
    ),
    (
        state_in_a_region_twice,
        f"PD123 region 'box': the state of line {line(state_in_a_region_twice, 3)} is lost: {again('a')}",
    ),
    (
        region_twice,
        f"PD123 W: the state of line {line(region_twice, 2)} is lost: {again('box')}",
    ),
    (
        state_without_a_name,
        f"PD123 W: the state of line {line(state_without_a_name, 4)} is lost: {NAMELESS}",
    ),
    (task_twice, f"PD123 W: the rule of line {line(task_twice, 4)} is lost: {again('work')}"),
    (two_names, "PD124 W: 'a' and 'b' are one state under two names. Make a State for each."),
    (base_and_name, "PD124 W: 'a' and 'b' are one state under two names. Make a State for each."),
    (
        lambda: declare(Whole, a=None),
        "PD125 W: 'a' is a state of a base and something else here. Rename this one.",
    ),
    (
        lambda: declare(Stopping, Workflow, a=State(initial=True)),
        f"PD126 W: 'stop' is a state or a rule of the mixin Stopping. {PLAIN}",
    ),
    (
        lambda: declare(Workflow, Having, a=State(initial=True)),
        f"PD126 W: 'extra' is a state or a rule of the mixin Having. {PLAIN}",
    ),
    (
        lambda: declare(Making, Workflow, a=State(initial=True)),
        "PD112 W: __init__ cannot be defined. Give the data's fields defaults.",
    ),
    (
        lambda: declare(a=State(initial=True), __setattr__=go),
        "PD112 W: __setattr__ cannot be defined. Give the data's fields defaults.",
    ),
    (
        lambda: declare(a=State(initial=True), _attempt=3),
        "PD114 W: '_attempt' is a name of the frame. Choose another one.",
    ),
    (
        guard_twice,
        (
            "PD121 W.go: guard 'allowed' is another function than the method of that name. "
            "Guards bind by name: define it in the body, once."
        ),
    ),
    (
        lambda: enter(State())(cast("Any", 3)),
        "PD121 3 is decorated as a rule and is no method. Put the decorator on a def.",
    ),
    (lambda: rule(go_keyword), "PD122 W.go must take self and the event."),
    (lambda: of_task(work_too_much), "PD122 W.work must take only self."),
    (lambda: of_task(work_text, taking_nothing), "PD122 W.taking_nothing must take self and the result."),
    (lambda: after("2 days", State(), to=None), f"PD127 @after(…): '2 days' {DURATION}"),
    (
        lambda: cast("Any", task)(State(), done=None, failed=State(), timeout=30),
        f"PD127 @task(timeout=…): 30 {DURATION}",
    ),
    (lambda: Retry(3, delay="0s"), f"PD127 Retry(3, delay=…): '0s' {DURATION}"),
    (lambda: Retry(0), "PD128 Retry(0): write how often to try, from 1 to 1000."),
    (lambda: Retry(cast("Any", "3")), "PD128 Retry('3'): write how often to try, from 1 to 1000."),
    (
        lambda: cast("Any", task)(State(), done=None, failed=State(), retry=3),
        "PD128 @task: retry=3. Write retry=Retry(5, delay='2s').",
    ),
    (two_handlers, "PD129 task 'work_text' has two result handlers. Keep one."),
    (task_and_rule, "PD129 W.go is a task and a rule at once. Make two methods."),
    (
        lambda: cast("Any", task)(State(), done=None),
        "PD130 @task has no failure route. Write failed=STATE: where to go when it fails.",
    ),
    (
        lambda: cast("Any", task)(State(), done=None, failed=None),
        "PD130 @task has no failure route. Write failed=STATE: where to go when it fails.",
    ),
    (
        lambda: cast("Any", task)(State(), failed=State()),
        "PD120 @task has no target for its result. Write done=STATE, or done=None to stay.",
    ),
    (
        lambda: cast("Any", after)("1h", State()),
        "PD120 @after has no target. Write to=STATE, or to=None for an internal transition.",
    ),
    (lambda: cast("Any", after)("1h", to=None), "PD107 @after() names no state. Name at least one."),
    (cast("Any", task), "PD107 @task() names no state. Name the one that it works for."),
    (task_at_a_final, "PD113 W.work: 'over' is final and cannot be left. Make it a State."),
    (
        lambda: of_task(work_text, taking_later),
        "PD111 W.taking_later is async or a generator; callbacks are plain methods. Write def, return.",
    ),
    (
        lambda: rule(go_stop),
        "PD131 W.go takes Stop, and the rule is for Go. Annotate event: Go.",
    ),
    (
        lambda: rule(go, (Go, Stop)),
        "PD131 W.go takes Go, and the rule is for Stop. Annotate event: Go | Stop.",
    ),
    (
        lambda: declare(a=(one := State(initial=True)), may=may, go=loose(Go, one, to=None, when=may)(fresh(go))),
        "PD131 W.may takes Stop, and the rule is for Go. Annotate event: Go.",
    ),
    (
        lambda: of_task(work_text, taking),
        "PD131 W.taking takes int, and task 'work' returns str. Annotate both alike.",
    ),
    (
        lambda: of_task(work_text_later, taking),
        "PD131 W.taking takes int, and task 'work' returns str. Annotate both alike.",
    ),
    (
        lambda: of_task(work_union, taking),
        "PD131 W.taking takes int, and task 'work' returns int | None. Annotate both alike.",
    ),
    (
        lambda: rule(go_gone),
        (
            "PD132 W.go: the hint of 'event' does not resolve: name 'Gone' is not defined. "
            "Define the class at module level, before the workflow."
        ),
    ),
    (
        lambda: of_task(work_text, taking_gone),
        (
            "PD132 W.taking_gone: the hint of 'result' does not resolve: name 'Gone' is not defined. "
            "Define the class at module level, before the workflow."
        ),
    ),
    (
        lambda: declare(a=(one := State(initial=True)), go=loose(Go, one, one, to=None)(fresh(go))),
        "PD133 W.go names 'a' twice (ANY means every first-level state). Keep one.",
    ),
    (
        lambda: declare(a=(one := State(initial=True)), go=loose(Go, ANY, one, to=None)(fresh(go))),
        "PD133 W.go names 'a' twice (ANY means every first-level state). Keep one.",
    ),
    (lambda: rule(go, (Go, Go)), "PD133 W.go names 'Go' twice (ANY means every first-level state). Keep one."),
    (
        lambda: declare(a=(one := State(initial=True)), came=enter(one, one)(fresh(taking_nothing))),
        "PD133 W.came names 'a' twice (ANY means every first-level state). Keep one.",
    ),
    *(
        (
            lambda name=name: keyword(name=name),
            (
                f"PD134 W: {name!r} cannot be stored as the name of a workflow. "
                "Use letters, digits, _, - and dots, at most 200, a letter first."
            ),
        )
        for name in ("", "my order", "1st", "a\n", "n" * 201, 3)
    ),
    (
        lambda: of_task(work_complex),
        f"PD117 W.work's result has type <class 'complex'>, {LISTED}",
    ),
    (
        lambda: of_task(work_unsaid),
        f"PD117 W.work's result has type typing.Any, {LISTED}",
    ),
    (
        lambda: keyword(revison=2),
        "PD140 W: a workflow has no class keyword 'revison'. Use revision, name, abstract, strict and accept.",
    ),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_named_by_rule_and_repair(mistake: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        mistake()

    assert str(raised.value) == message


def test_every_code_has_a_mistake_here_or_in_test_definition() -> None:
    assert {f"PD{number}" for number in range(123, 135)} <= {message[:5] for _, message in MISTAKES}


# -- what is let through -----------------------------------------------------------------------------------------------


def test_a_name_is_not_lost_in_a_decorator_that_wraps() -> None:
    def logged(function: Callable[..., Any]) -> Any:
        @wraps(function)
        def call(*given: object) -> object:
            return function(*given)

        return call

    class W(Workflow[None], revision=1):
        a = State(initial=True)

        @logged
        @on(Go, a, to=None)
        def above(self, event: Go) -> None: ...

        @on(Stop, a, to=None)
        @logged
        def below(self, event: Stop) -> None: ...

        came = enter(a)(logged(lambda self: None))

    assert [rule.action for rule in definition_of(W).rules] == ["above", "below"]


def test_nothing_is_noted_outside_a_class_body_or_left_in_it() -> None:
    [State() for _ in range(3)]

    assert "__perdure_made__" not in vars(Whole)
    assert "__perdure_made__" not in globals()


def test_a_mixin_of_plain_helpers_is_let_through() -> None:
    class Counting:
        def count(self) -> int:
            return 3

    class W(Counting, Workflow[None], revision=1):
        a = State(initial=True)

        @invariant
        def counts(self) -> bool:
            return self.count() == 3

    assert definition_of(W).invariants == ("counts",)


def test_rules_of_an_abstract_workflow_are_the_mixin_that_works() -> None:
    class Stoppable(Workflow[Trail], revision=1, abstract=True):
        over = Final()

        @on(Stop, ANY, to=over)
        def stop(self, event: Stop) -> None: ...

    class W(Stoppable, revision=1):
        a = State(initial=True)

        @always(a, to=None, when=lambda_free)
        def rest(self) -> None: ...

        lambda_free = lambda_free

    assert [(rule.action, rule.source.name) for rule in definition_of(W).chart.rules] == [("rest", "a"), ("stop", "a")]


def lambda_free(self: object) -> bool:
    return False


def test_local_events_resolve_by_the_rule_that_names_them() -> None:
    namespace: Names = {"__name__": "postponed"}
    exec(  # noqa: S102  # ours
        "from __future__ import annotations\n"
        "from attrs import frozen\n"
        "from statemachine import State, Workflow, on\n"
        "def make():\n"
        "    @frozen\n"
        "    class Local: ...\n"
        "    class W(Workflow[None], revision=1):\n"
        "        a = State(initial=True)\n"
        "        @on(Local, a, to=None)\n"
        "        def go(self, event: Local | None) -> None: ...\n"
        "    return W\n",
        namespace,
    )
    assert list(definition_of(namespace["make"]()).events) == ["Local"]


@pytest.mark.parametrize("name", ["order", "Ordnung.größer", "a-b_c.d1", "n" * 200])
def test_a_stored_name_of_letters_digits_and_dots_is_let_through(name: str) -> None:
    assert definition_of(keyword(name=name)).name == name


# -- durations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("48h", 172_800_000),
        ("1d12h", 129_600_000),
        ("30s", 30_000),
        ("500ms", 500),
        ("1m500ms", 60_500),
        ("2w", 1_209_600_000),
        ("1w1d1h1m1s1ms", 694_861_001),
        (timedelta(minutes=1), 60_000),
        (timedelta(milliseconds=1), 1),
        ("36500d", DURATION_MS_MAX),
    ],
)
def test_a_duration_is_milliseconds(text: str | timedelta, expected: int) -> None:
    assert milliseconds(text, what="it") == expected


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "5", "h", "-1s", "1.5h", "12h1d", "1s1s", " 1s", "1S", "٣s", "0s", "36501d", 5, 5.0, None, True),
        *(timedelta(0), timedelta(microseconds=1), timedelta(seconds=-1), timedelta.max),
    ],
)
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(DefinitionError, match=r"^PD127 it: .* is no duration"):
        milliseconds(wrong, what="it")


# -- hints -------------------------------------------------------------------------------------------------------------

T = TypeVar("T")
Euro = NewType("Euro", int)


class Asked(Protocol):
    def ask(self) -> None: ...


@pytest.mark.parametrize(
    ("wanted", "given", "answer"),
    [
        (int, int, True),
        (int, str, False),
        (int, bool, True),
        (float, int, True),
        (int, float, False),
        (Any, str, True),
        (object, str, True),
        (str, Any, True),
        (T, str, True),
        (Go, GoFast, True),
        (GoFast, Go, False),
        (Go | Stop, Go, True),
        (Go | Stop, Go | Stop, True),
        (Go, Go | Stop, False),
        (int | None, None, True),
        (None, type(None), True),
        (int, None, False),
        (list[int], list[int], True),
        (list[int], list[str], False),
        (list, list[str], True),
        (list[int], list, True),
        (list[int], dict[str, int], False),
        (int, Euro, True),
        (Euro, Euro, True),
        (str, Euro, False),
        (Literal["a"], str, True),  # nobody but a type checker can say
        (Asked, Go, True),
        (Awaitable[int], int, False),
    ],
)
def test_an_annotation_takes_what_it_certainly_takes_and_what_nobody_can_judge(
    wanted: object, given: object, *, answer: bool
) -> None:
    assert accepts(wanted, given) is answer


def test_a_coroutine_that_is_annotated_as_one_comes_to_its_result() -> None:
    one = State(initial=True)
    made = cast("Any", task)(one, done=None, failed=one)(fresh(work_coroutine))
    workflow = declare(a=one, work=made, taking=made.result(fresh(taking)))

    assert definition_of(workflow).tasks[0].result == "taking"


def test_a_keyword_with_a_default_does_not_count() -> None:
    def free(self: object, *, more: int = 0, **rest: object) -> None: ...

    assert Signatures.arity(free) == 1
    assert Signatures.arity(go_keyword) == 3


# -- tasks and timers --------------------------------------------------------------------------------------------------


class Working(Workflow[Trail], revision=1):
    a = State(initial=True)
    b = State()
    over = Final()

    @task(a, done=b, failed=over, retry=Retry(3, delay=timedelta(seconds=2)), timeout="1m")
    async def work(self) -> str:
        return f"{self.data.steps}-{self.effect_key}"

    @work.result
    def worked(self, receipt: str) -> None:
        self.data.steps = len(receipt)

    @task(b, done=None, failed=over)
    def plain(self) -> None: ...

    @after("1h", a, b, to=over)
    @after("30m", a, to=None)
    def late(self) -> None: ...


def test_tasks_and_timers_become_specs() -> None:
    definition = definition_of(Working)

    assert [attrs.astuple(one) for one in definition.tasks] == [
        ("work", "a", "b", "over", "worked", "str", 3, 2_000, 60_000),
        ("plain", "b", None, "over", None, "none", 1, 0, None),
    ]
    assert [attrs.astuple(one) for one in definition.timers] == [
        ("late", 3_600_000, ("a", "b"), "over"),
        ("late", 1_800_000, ("a",), None),
    ]


def test_each_part_of_a_task_changes_the_fingerprint() -> None:
    def fingerprint(**options: Any) -> bytes:
        a, b = State(initial=True), State()
        given: Names = {"done": None, "failed": b, "timeout": "1s", "retry": Retry(2)} | options
        given = {name: b if value == "b" else value for name, value in given.items()}
        return definition_of(declare(a=a, b=b, work=cast("Any", task)(a, **given)(fresh(work_text)))).fingerprint

    same = [fingerprint(), fingerprint(timeout="1000ms"), fingerprint(retry=Retry(2, delay="1s"))]
    other: list[Names] = [
        {"done": "b"},
        {"timeout": "2s"},
        {"timeout": None},
        {"retry": Retry(3)},
        {"retry": Retry(2, delay="2s")},
    ]

    assert len(set(same)) == 1
    assert len({*same, *(fingerprint(**options) for options in other)}) == 1 + len(other)


def test_a_task_of_a_base_can_be_overridden_by_a_plain_method_and_by_a_task() -> None:
    class Louder(Working, revision=1):
        async def work(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  # decorate it, and no ignore is needed
            return "loud"

        def worked(self, receipt: str) -> None:
            self.data.steps = 1

    class Shorter(Working, revision=1):
        @task(Working.a, done=Working.over, failed=Working.over)
        async def work(self) -> str:
            return "short"

    assert [*map(attrs.astuple, definition_of(Louder).tasks)] == [*map(attrs.astuple, definition_of(Working).tasks)]
    assert [one.name for one in definition_of(Shorter).tasks] == ["work", "plain"]
    assert definition_of(Shorter).tasks[0].result is None
    assert definition_of(Louder).callbacks["worked"][1]


def test_a_task_is_a_method_of_a_frame_and_itself_on_the_class() -> None:
    frame = Working(Trail(4))
    coroutine = frame.work()

    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)

    assert stopped.value.value == "4-unit-test"
    assert frame.plain() is None
    assert repr(Working.work) == "<Task work>"
