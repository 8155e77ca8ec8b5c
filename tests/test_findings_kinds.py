"""Each kind of finding stops where that would be meant; docs/checks.md has an example of each that is found."""

from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from perdure.explaining import explanations
from statemachine import (
    ANY,
    Compound,
    Failed,
    Final,
    History,
    Parallel,
    State,
    Workflow,
    after,
    always,
    check,
    done,
    on,
    on_error,
    task,
)
from statemachine.findings import exploring, judged
from statemachine.workflow import definition_of
from tests.checks_page import PAGE, page
from tests.snippets import python_blocks
from tests.test_findings import Go, Stop, found


def test_the_page_is_written_from_the_explanations_and_its_program_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert text == page(explanations()), "run: python -m tests.checks_page"
    for block in python_blocks(text):
        exec(compile(block, "docs/checks.md", "exec"), {"__name__": "page"})  # noqa: S102  # our own page


def test_every_code_of_the_sources_has_its_row() -> None:
    folder = Path(exploring.__file__).parent
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    codes = [code for code in explanations() if code.startswith("PD2")]

    assert codes == [f"PD2{number:02}" for number in range(1, 18)]
    assert all(f'"{code}"' in text for code in codes)


# -- shadows -----------------------------------------------------------------------------------------------------------


def test_inner_states_that_always_win_shadow_the_rule_around_them() -> None:
    class W(Workflow[None], revision=1):
        class box(Compound, initial=True):
            x = State(initial=True)
            y = State()

        over = Final()

        @on(Go, box.x, to=box.y)
        def first(self, event: Go) -> None: ...

        @on(Go, box.y, to=over)
        def second(self, event: Go) -> None: ...

        @on(Go, box, to=over)
        def around(self, event: Go) -> None: ...

    assert found(W) == [("PD203", "around")]
    assert "'first', 'second' come before it and take it always" in check(W)[0].message


def test_a_rule_around_states_of_which_one_leaves_the_event_to_it_is_no_finding() -> None:
    class W(Workflow[None], revision=1):
        class box(Compound, initial=True):
            x = State(initial=True)
            y = State()

        over = Final()

        @on(Go, box.x, to=box.y)
        def first(self, event: Go) -> None: ...

        @on(Go, box, to=over)
        def around(self, event: Go) -> None: ...

        @on(Go, ANY, to=None)
        def anywhere(self, event: Go) -> None: ...

    assert found(W) == [("PD203", "anywhere")]  # box is the only state, and its own rule comes first


def test_the_same_guard_again_shadows_and_another_one_or_a_role_does_not() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)
        over = Final()

        def is_large(self) -> bool:
            return True

        def is_late(self) -> bool:
            return True

        @on(Go, a, to=over, when=is_large)
        def first(self, event: Go) -> None: ...

        @on(Go, a, to=None, when=is_large)
        def again(self, event: Go) -> None: ...

        @on(Go, a, to=None, when=is_late, roles=("boss",))
        def by_role(self, event: Go) -> None: ...

        @on(Go, a, to=None, when=is_late)
        def late(self, event: Go) -> None: ...

        @on(Go, a, to=None, roles=("clerk",))
        def clerk(self, event: Go) -> None: ...

    assert found(W) == [("PD203", "again")]
    assert "Give it another guard" in check(W)[0].message


def test_a_region_that_always_takes_the_parallel_with_it_shadows_the_rule_beside_it() -> None:
    class W(Workflow[None], revision=1):
        class both(Parallel, initial=True):
            class left(Compound):
                x = State(initial=True)

            class right(Compound):
                y = State(initial=True)
                z = State()

        over = Final()

        @on(Go, both.left.x, to=over)
        def leave(self, event: Go) -> None: ...

        @on(Go, both.right.y, to=both.right.z)
        def beside(self, event: Go) -> None: ...

        @on(Stop, both.right.y, to=both.right.z)
        def stop(self, event: Stop) -> None: ...

    assert found(W) == [("PD203", "beside")]


def test_a_special_case_and_its_general_rule_are_not_ambiguous() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()
        over = Final()

        @on(Go, a, to=b)
        def special(self, event: Go) -> None: ...

        @on((Go, Stop), a, b, to=over)
        def general(self, event: Go | Stop) -> None: ...

    assert found(W) == []


def test_tasks_and_timers_of_a_state_that_is_left_at_once_never_run() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)
        over = Final()

        def is_ready(self) -> bool:
            return True

        @always(a, to=over)
        def leave_at_once(self) -> None: ...

        @task(a, done=over, failed=over)
        def work(self) -> None: ...

        @after("1h", a, to=over)
        def expire(self) -> None: ...

    class Guarded(W, revision=1):
        @always(W.a, to=W.over, when=W.is_ready)
        def leave_at_once(self) -> None: ...

    assert found(W) == [("PD205", "work"), ("PD205", "expire")]
    assert found(Guarded) == []


def test_a_handler_of_failures_where_nothing_is_taken_never_runs() -> None:
    class W(Workflow[None], revision=1, accept={"PD202": "it rests there"}):
        a = State(initial=True)
        b = State()
        over = Final()

        @on(Go, a, to=b)
        def go(self, event: Go) -> None: ...

        @on_error(b, to=over)
        def never(self, failed: Failed) -> None: ...

        @on_error(a, to=over)
        def failed(self, failed: Failed) -> None: ...

    assert found(W) == [("PD214", "never")]


# -- circles -----------------------------------------------------------------------------------------------------------


def test_a_circle_that_a_guard_can_end_is_none() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()
        over = Final()

        def is_enough(self) -> bool:
            return True

        @always(a, to=over, when=is_enough)
        def enough(self) -> None: ...

        @always(a, to=b)
        def there(self) -> None: ...

        @always(b, to=a)
        def back(self) -> None: ...

    assert found(W) == []


class Ready(Workflow[None], revision=1):
    """Two eventless rules with one guard, and nothing on the way."""

    a = State(initial=True)
    b = State()

    def is_ready(self) -> bool:
        return True

    @always(a, to=b, when=is_ready)
    def there(self) -> None: ...

    @always(b, to=a, when=is_ready)
    def back(self) -> None: ...

    @on(Go, a, b, to=None)
    def go(self, event: Go) -> None: ...


def test_a_circle_with_one_guard_is_found_where_nothing_on_the_way_can_change_it() -> None:
    class Counting(Ready, revision=1):
        def back(self) -> None:
            self.raise_(Go())

    assert found(Ready) == [("PD206", "there")]
    assert "nothing on the way changes what 'is_ready' reads" in check(Ready)[0].message
    assert found(Counting) == []


def test_an_internal_eventless_rule_without_a_guard_is_a_circle() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()

        @on(Go, a, to=b)
        def go(self, event: Go) -> None: ...

        @always(b, to=None)
        def spin(self) -> None: ...

    assert found(W) == [("PD206", "spin")]


# -- ends --------------------------------------------------------------------------------------------------------------


def test_regions_that_end_one_by_one_and_never_together_are_told() -> None:
    class W(Workflow[None], revision=1):
        class both(Parallel, initial=True):
            class left(Compound):
                x = State(initial=True)
                y = Final()

            class right(Compound):
                m = State(initial=True)
                n = Final()

        over = Final()

        @on(Go, both.left.x, to=both.left.y)
        def go(self, event: Go) -> None: ...

        @on(Go, both.right.m, to=both.right.n)
        def go_too(self, event: Go) -> None: ...

        @done(both, to=over)
        def end(self) -> None: ...

    class Never(W, revision=1):
        @on(Go, W.both.left.x, to=(W.both.left.y, W.both.right.m), reenter=True)
        def go(self, event: Go) -> None: ...

        @on(Stop, W.both, to=(W.both.left.x, W.both.right.n))
        def stop(self, event: Stop) -> None: ...

    assert found(W) == []
    assert all(one.code != "PD207" for one in check(Never))  # Stop, then Go on the left alone, ends both


def test_an_end_that_leads_into_a_circle_without_end_is_told_once() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()
        c = State()
        over = Final()

        @on(Stop, a, to=over)
        def stop(self, event: Stop) -> None: ...

        @on(Go, a, c, to=b)
        def go(self, event: Go) -> None: ...

        @on(Go, b, to=c)
        def on_and_on(self, event: Go) -> None: ...

    assert [str(one) for one in check(W)] == [
        "PD215 W: from 'b', 'c' no final state of the workflow can be reached. Add a rule that leads out."
    ]


# -- histories and deferring -------------------------------------------------------------------------------------------


def test_a_shallow_history_of_a_parallel_remembers_nothing_and_a_deep_one_does() -> None:
    class W(Workflow[None], revision=1):
        off = State(initial=True)

        class both(Parallel):
            class left(Compound):
                x = State(initial=True)
                y = State()

            class right(Compound):
                m = State(initial=True)

            shallow = History(to=left.x)
            deep = History(to=left.x, deep=True)
            unused = History(to=left.x, deep=True)

        @on(Go, off, to=both.shallow)
        def go(self, event: Go) -> None: ...

        @on(Stop, off, to=both.deep)
        def back(self, event: Stop) -> None: ...

        @on(Go, both.left.x, to=both.left.y)
        def turn(self, event: Go) -> None: ...

        @on(Stop, both, to=off)
        def stop(self, event: Stop) -> None: ...

    assert found(W) == [("PD210", "both.unused"), ("PD211", "both.shallow")]


def test_a_defer_is_for_nothing_where_a_rule_of_the_state_always_takes_the_event() -> None:
    class W(Workflow[None], revision=1):
        a = State(initial=True, defer=(Go, Stop))
        over = Final()

        def is_late(self) -> bool:
            return True

        @on(Go, a, to=over)
        def go(self, event: Go) -> None: ...

        @on(Stop, a, to=over, when=is_late)
        def stop(self, event: Stop) -> None: ...

    # What waits in `a` is never tried again while `a` is active.
    assert [str(one).partition(". ")[0] for one in check(W)] == [
        "PD212 W: 'a' defers Go for nothing: a rule always takes it there"
    ]


# -- names -------------------------------------------------------------------------------------------------------------


def test_names_that_differ_in_case_or_underscores_are_told_per_kind() -> None:
    @frozen
    class stop: ...  # the mistake under test

    class W(Workflow[None], revision=1):
        go = State(initial=True)

        class Go_(Compound):
            go = State(initial=True)  # of another region: a name of its own

        @on(Go, go, to=Go_)
        def start(self, event: Go) -> None: ...

        @on(Stop, Go_, to=go)
        def st_art(self, event: Stop) -> None: ...

        @on(stop, Go_, to=go)
        def end(self, event: stop) -> None: ...

    assert [one.where for one in check(W)] == ["Go_", "stop", "st_art"]


# -- the bound ---------------------------------------------------------------------------------------------------------


def wide(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> type[Workflow[Any]]:
    """A workflow with findings, judged under other bounds."""
    from tests.test_findings import Odd

    for name, bound in bounds.items():
        monkeypatch.setattr(exploring, name, bound)
    return Odd


@pytest.mark.parametrize("bound", ["PLACES_MAX", "STEPS_MAX", "CHOICES_MAX"])
def test_beyond_a_bound_nothing_is_said_that_needs_the_whole(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = wide(monkeypatch, **{bound: 1})
    seen = judged(definition_of(workflow))

    assert not seen.is_complete
    assert seen.findings == ()


def test_a_chart_of_eight_regions_is_too_large_and_silent_in_bounded_time() -> None:
    regions = "".join(
        f"""
        class r{n}(Compound):
            a = State(initial=True)
            b = State()
            c = State()"""
        for n in range(8)
    )
    rules = "".join(
        f"""
    def maybe{n}(self) -> bool: return True
    @on(Go, all.r{n}.a, to=all.r{n}.b, when=maybe{n})
    def go{n}(self, event: Go) -> None: ...
    @on(Stop, all.r{n}.b, to=all.r{n}.c, when=maybe{n})
    def stop{n}(self, event: Stop) -> None: ..."""
        for n in range(8)
    )
    names: dict[str, Any] = {**globals()}
    text = f"class Wide(Workflow[None], revision=1):\n    class all(Parallel, initial=True):{regions}\n"
    exec(f"{text}{rules}", names)  # noqa: S102  # ours

    assert not judged(definition_of(names["Wide"])).is_complete
