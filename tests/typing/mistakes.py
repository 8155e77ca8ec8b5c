"""Mistakes that a type checker must find: each line that ends in the word error, and no other.

`python -m tests.typing` runs mypy and pyright over it and compares. The lines without a mark are the sound form of the
mistake beside them. It is never executed.
"""

from datetime import timedelta

from attrs import define, frozen

from statemachine import (
    Compound,
    Cursor,
    Engine,
    Failed,
    Final,
    History,
    Parallel,
    Retry,
    State,
    Workflow,
    after,
    always,
    done,
    enter,
    invariant,
    leave,
    on,
    on_error,
    task,
)


@frozen
class Submit:
    sku: str
    total: int


@frozen
class Approve:
    by: str


@frozen
class Cancel:
    why: str = ""


@define
class Data:
    sku: str = ""
    total: int = 0
    note: str | None = None


class Base(Workflow[Data], revision=1):
    cart = State(initial=True)
    review = State()

    class fulfil(Parallel):
        class stock(Compound):
            queued = State(initial=True)
            picked = Final()

    over = Final()

    def is_large(self, event: Submit) -> bool:
        return event.total > 10

    def is_rich(self) -> bool:
        return self.data.total > 10


# -- the event of a handler and of a guard; arity ----------------------------------------------------------------------


class Handlers(Base, revision=1):
    @on(Submit, Base.cart, to=None)  # error
    def other_event(self, event: Approve) -> None: ...

    @on(Submit, Base.cart, to=None)  # error
    def no_event(self) -> None: ...

    @on(Submit, Base.cart, to=None)  # error
    def too_many(self, event: Submit, more: int) -> None: ...

    @on((Submit, Approve), Base.cart, to=None)  # error
    def one_of_two(self, event: Submit) -> None: ...

    @on((Submit, Approve), Base.cart, to=None)
    def both(self, event: Submit | Approve) -> None: ...

    @on(Approve, Base.cart, to=None, when=Base.is_large)  # error
    def guard_of_another(self, event: Approve) -> None: ...

    @on((Submit, Approve), Base.cart, to=None, when=Base.is_large)  # error
    def guard_of_one_of_two(self, event: Submit | Approve) -> None: ...

    @on(Submit, Base.cart, to=None, when=Base.is_rich)
    def guard_without(self, event: Submit) -> None: ...

    @always(Base.cart, to=None, when=Base.is_large)  # error
    def guard_with_event(self) -> None: ...

    @on(Submit, Base.cart, to=None, when="is_large")  # error
    def guard_by_text(self, event: Submit) -> None: ...

    @always(Base.cart, to=None)  # error
    def always_takes_none(self, event: Submit) -> None: ...

    @enter(Base.cart)  # error
    def enter_takes_none(self, event: Submit) -> None: ...

    @leave(Base.cart)  # error
    def leave_takes_none(self, event: Submit) -> None: ...

    @after("1h", Base.cart, to=None)  # error
    def after_takes_none(self, event: Submit) -> None: ...

    @invariant  # error
    def returns_none(self) -> None: ...

    @on(Submit, Base.cart, to=None)  # error
    async def hurries(self, event: Submit) -> None: ...

    @enter(Base.cart)  # error
    async def enters(self) -> None: ...

    @invariant  # error
    async def asks(self) -> bool:
        return True


# -- data --------------------------------------------------------------------------------------------------------------


class Fields(Base, revision=1):
    @on(Submit, Base.cart, to=None)
    def write(self, event: Submit) -> None:
        self.data.totl = event.total  # error
        self.data.total = event.sku  # error
        self.data.sku = event.skew  # error
        self.data.note.upper()  # error
        self.data.total = event.total
        self.raise_(1, 2)  # error
        self.data = Data()  # error

    def reads(self) -> bool:
        return self.data.total > self.data.sku  # error


# -- states ------------------------------------------------------------------------------------------------------------


class States(Workflow[Data], revision=1):
    cart = State(initial=True)
    tagged = State(tags=("human",))
    without_comma = State(tags=("human"))  # error
    by_position = State(True)  # error
    final = Final(outcome=3)  # error

    class box(Compound, initial=True, tags=("human",)):
        inner = State(initial=True)

    class bag(Compound, initial="yes"):  # error
        inner = State(initial=True)

    @on(Submit, crat, to=box)  # error
    def misspelt(self, event: Submit) -> None: ...

    @on(Submit, cart, to=box.iner)  # error
    def nested(self, event: Submit) -> None: ...

    @on(Submit, cart, to=later)  # error
    def declared_later(self, event: Submit) -> None: ...

    @on(Submit, cart, to="box")  # error
    def text_as_target(self, event: Submit) -> None: ...

    @on(Submit, "cart", to=box)  # error
    def text_as_source(self, event: Submit) -> None: ...

    @on(Submit, cart, to=box.inner, roles=("boss"))  # error
    def roles_without_comma(self, event: Submit) -> None: ...

    @on(Submit(sku="a", total=1), cart, to=box)  # error
    def event_object(self, event: Submit) -> None: ...

    @on(Submit, cart, to=Submit)  # error
    def event_as_target(self, event: Submit) -> None: ...

    @done(cart, to=box)  # error
    def leaf_is_done(self) -> None: ...

    @done(box, to=None)
    def region_is_done(self) -> None: ...

    def asks(self) -> bool:
        return self.is_in("cart")  # error

    later = State()


class Hidden(Workflow[Data], revision=1):
    done = Final(initial=True)

    class box(Compound):
        inner = State(initial=True)

    @done(box, to=None)  # error
    def hides_the_decorator(self) -> None: ...


# -- what must be there ------------------------------------------------------------------------------------------------


class Missing(Base, revision=1):
    @on(Submit, to=Base.cart)  # error
    def no_source(self, event: Submit) -> None: ...

    @on(Submit, Base.cart)  # error
    def no_target(self, event: Submit) -> None: ...

    @always(to=Base.cart)  # error
    def always_no_source(self) -> None: ...

    @always(Base.cart)  # error
    def always_no_target(self) -> None: ...

    @done(Base.fulfil)  # error
    def done_no_target(self) -> None: ...

    @enter()  # error
    def enter_no_state(self) -> None: ...

    @after("1h", to=Base.cart)  # error
    def after_no_source(self) -> None: ...

    @after("1h", Base.cart)  # error
    def after_no_target(self) -> None: ...

    @after(3600, Base.cart, to=None)  # error
    def after_a_number(self) -> None: ...

    @after(timedelta(hours=1), Base.cart, to=None)
    def after_an_hour(self) -> None: ...


class NoRevision(Workflow[Data]):  # error
    a = State(initial=True)


class NoRevisionEither(Base): ...  # error


class RevisionAsText(Base, revision="1"): ...  # error


class Misspelt(Base, revison=1): ...  # error


class AcceptedWithoutReason(Base, revision=1, accept=["PD202"]): ...  # error


class AcceptedByNumber(Base, revision=1, accept={202: "kept for old instances"}): ...  # error


# -- tasks -------------------------------------------------------------------------------------------------------------


class Tasks(Base, revision=1):
    @task(Base.cart, done=None, failed=Base.over, retry=Retry(5, delay="2s"), timeout="30s")
    async def charge(self) -> str:
        return self.effect_key

    @charge.result  # error
    def wrong_result(self, amount: int) -> None: ...

    @charge.result  # error
    def no_result(self) -> None: ...

    @charge.result  # error
    async def slow_result(self, receipt: str) -> None: ...

    @charge.result
    def charged(self, receipt: str) -> None: ...

    @charge.reslt  # error
    def misspelt(self, receipt: str) -> None: ...

    @task(Base.cart, done=None)  # error
    def no_failure_route(self) -> None: ...

    @task(Base.cart, done=None, failed=None)  # error
    def fails_nowhere(self) -> None: ...

    @task(Base.cart, failed=Base.over)  # error
    def no_way_on(self) -> None: ...

    @task(done=None, failed=Base.over)  # error
    def no_state(self) -> None: ...

    @task(Base.cart, done=None, failed=Base.over, retry=5)  # error
    def retry_a_number(self) -> None: ...

    @task(Base.cart, done=None, failed=Base.over, retry=Retry(delay="2s"))  # error
    def retry_without_number(self) -> None: ...

    @task(Base.cart, done=None, failed=Base.over, timeout=30)  # error
    def timeout_a_number(self) -> None: ...

    @task(Base.cart, done=None, failed=Base.over)  # error
    def takes_an_event(self, event: Submit) -> None: ...

    @task(Base.cart, done=None, failed=Base.over)
    def count(self) -> int:
        return 3

    @count.result  # error
    def counted(self, text: str) -> None: ...


# -- histories, several targets, deferring and failures ----------------------------------------------------------------


class Remembering(Workflow[Data], revision=1):
    cart = State(initial=True)
    waits = State(defer=(Submit,))
    defers_no_tuple = State(defer=Submit)  # error
    defers_an_object = State(defer=(Submit("a", 1),))  # error
    defers_a_text = State(defer=("Submit",))  # error

    class box(Parallel):
        class left(Compound):
            one = State(initial=True)
            two = State()
            back = History(to=one)
            no_default = History()  # error
            text_as_default = History(to="one")  # error
            history_as_default = History(to=back)  # error
            by_position = History(one)  # error

        class right(Compound, defer=(Submit, Approve)):
            three = State(initial=True)

    class bag(Compound, defer=Submit):  # error
        inner = State(initial=True)

    @on(Submit, cart, to=box.left.back)
    def comes_back(self, event: Submit) -> None: ...

    @on(Submit, cart, to=(box.left.two, box.right.three))
    def enters_two(self, event: Submit) -> None: ...

    @on(Submit, cart, to=(box.left.back, "three"))  # error
    def text_as_second(self, event: Submit) -> None: ...

    @on(Submit, cart, to=(box.left.back, None))  # error
    def none_as_second(self, event: Submit) -> None: ...

    @on(Submit, cart, to=[box.left.two, box.right.three])  # error
    def list_as_targets(self, event: Submit) -> None: ...

    @on(Submit, cart, to=box.left.bck)  # error
    def misspelt_history(self, event: Submit) -> None: ...

    @on(Submit, box.left.back, to=cart)  # error
    def history_as_source(self, event: Submit) -> None: ...

    @enter(box.left.back)  # error
    def history_entered(self) -> None: ...

    @after("1h", cart, to=box.left.back)  # error
    def late_in_a_history(self) -> None: ...

    @on_error(cart, to=waits)
    def fails(self, event: Failed) -> None: ...

    @on_error(cart, to=waits)  # error
    def fails_for_an_event(self, event: Submit) -> None: ...

    @on_error(cart, to=waits)  # error
    def fails_for_nothing(self) -> None: ...

    @on_error(cart, to=waits)  # error
    async def fails_later(self, event: Failed) -> None: ...

    @on_error(cart)  # error
    def fails_nowhere(self, event: Failed) -> None: ...

    @on_error(to=cart)  # error
    def fails_from_nowhere(self, event: Failed) -> None: ...

    @on_error(box.left.back, to=cart)  # error
    def fails_in_a_history(self, event: Failed) -> None:
        self.data.note = event.txt  # error

    def asks_a_history(self) -> bool:
        return self.is_in(Remembering.box.left.back)  # error


# -- callers -----------------------------------------------------------------------------------------------------------


def callers(engine: Engine) -> None:
    order = engine.start(Base, Data(sku="lamp"), id="o-1")
    order.send(Submit("lamp", 3))
    order.send(Submit("lamp"))  # error
    order.send(Submit("lamp", 3)).error.upper()  # error
    order.send(Submit(sku="lamp", total="3"))  # error
    order.send(Submit)  # error
    order.send("Submit")  # error
    order.send(Submit("lamp", 3), roles=("boss"))  # error
    order.send(Submit("lamp", 3), key=7)  # error
    order.submit(Submit)  # error
    order.submit(Submit("lamp", 3), kye="k")  # error
    order.asend("Submit", {})  # error
    order.asend(Submit("lamp", 3)).version  # error
    order.fire(Submit("lamp", 3))  # error
    order.fire("Submit")  # error
    order.fire("Submit", '{"sku": "lamp"}')  # error
    order.fire("Submit", {"sku": "lamp"}, roles="boss")  # error
    order.fire("Submit", {"sku": "lamp"})["ok"]  # error
    order.afire("Submit", {"sku": "lamp"}, key=7)  # error
    order.offers("Submit")  # error
    order.offers(Submit)  # error
    order.offers()[0]["name"]  # error
    order.data.totl  # error
    order.data = Data()  # error
    engine.start(Base, Submit("lamp", 3))  # error
    engine.start("Base")  # error
    engine.start(Base, id=7)  # error
    engine.get(Base)  # error
    Cursor(Base)  # error
    Cursor(Base, None)  # error
    Cursor(Base, Data()).send(Submit)  # error
    Base()  # error
    Base(Submit("lamp", 3))  # error
    Tasks(Data()).charged(3)  # error
    Handlers(Data()).both(Cancel())  # error
