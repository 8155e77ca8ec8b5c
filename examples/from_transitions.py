"""Three machines of `transitions`, each made durable without being written again.

Their models are as a program would have them that never heard of Perdure; what is to last is listed as data. Run it:
python -m examples.from_transitions
"""

from attrs import define, frozen
from transitions import Machine
from transitions.extensions import HierarchicalMachine

from statemachine import Cursor, Engine, Workflow, events_of

# -- one: a flat machine, with arguments -------------------------------------------------------------------------------


class Matter:
    """A lump that remembers how it was treated."""

    def __init__(self) -> None:
        self.temperature = 0
        self.pressure = 101.325

    def set_environment(self, temperature: int = 0, pressure: float = 101.325) -> None:
        self.temperature, self.pressure = temperature, pressure

    def is_hot_enough(self, temperature: int = 0, pressure: float = 101.325) -> bool:
        return temperature > 0


lump = Machine(
    Matter(),
    states=["solid", "liquid", "gas", "plasma"],
    initial="solid",
    auto_transitions=False,
    transitions=[
        {
            "trigger": "melt",
            "source": "solid",
            "dest": "liquid",
            "conditions": "is_hot_enough",
            "before": "set_environment",
        },
        {"trigger": "evaporate", "source": "liquid", "dest": "gas"},
        {"trigger": "sublimate", "source": "solid", "dest": "gas"},
        {"trigger": "ionize", "source": "gas", "dest": "plasma"},
    ],
)


@define
class Environment:
    temperature: int = 0
    pressure: float = 101.325


@frozen
class Melt:
    temperature: int = 0
    pressure: float = 101.325


DurableMatter = Workflow.from_machine(lump, data=Environment, events={"melt": Melt}, revision=1)


# -- two: conditions, wildcards, internal transitions ------------------------------------------------------------------


class Hero:
    """Somebody who would rather sleep."""

    def __init__(self) -> None:
        self.rescued = 0
        self.cape = "clean"

    def count_rescued(self) -> None:
        self.rescued += 1

    def soil_cape(self) -> None:
        self.cape = "dirty"

    def has_had_enough(self) -> bool:
        return self.rescued >= 2

    def on_enter_asleep(self) -> None:
        self.cape = "clean"  # somebody does the laundry


hero = Machine(
    Hero(),
    states=["asleep", "hanging out", "sweaty", "saving the world"],
    initial="asleep",
    auto_transitions=False,
)
hero.add_transition("wake_up", "asleep", "hanging out")
hero.add_transition("work_out", "hanging out", "sweaty", unless="has_had_enough")
hero.add_transition("complete_mission", "saving the world", "sweaty", before="count_rescued")
hero.add_transition("distress_call", "*", "saving the world", before="soil_cape", unless="has_had_enough")
hero.add_transition("preen", "hanging out", None, before="soil_cape")
hero.add_transition("nap", "*", "asleep")


@define
class Deeds:
    rescued: int = 0
    cape: str = "clean"


DurableHero = Workflow.from_machine(hero, data=Deeds, revision=1)


# -- three: nested and parallel ----------------------------------------------------------------------------------------


class Drinker:
    """Keeps count of cups."""

    cups = 0

    def swallow(self) -> None:
        self.cups += 1

    def is_awake_enough(self) -> bool:
        return self.cups >= 2


morning = HierarchicalMachine(
    Drinker(),
    states=[
        "standing",
        {
            "name": "caffeinated",
            "parallel": [
                {"name": "mind", "initial": "dithering", "children": ["dithering", "focused"]},
                {"name": "body", "initial": "sitting", "children": ["sitting", "running"]},
            ],
        },
    ],
    initial="standing",
    auto_transitions=False,
)
morning.add_transition("drink", "standing", "caffeinated", before="swallow")
morning.add_transition("drink", "caffeinated", None, before="swallow")
morning.add_transition("walk", "caffeinated_body_sitting", "caffeinated_body_running")
morning.add_transition("walk", "caffeinated_mind_dithering", "caffeinated_mind_focused", conditions="is_awake_enough")
morning.add_transition("relax", "caffeinated", "standing")


@define
class Cups:
    cups: int = 0


DurableMorning = Workflow.from_machine(morning, data=Cups, revision=1)


def main() -> None:
    """Run each of them a little: the first two in memory, the third in a file."""
    matter = Cursor(DurableMatter, Environment())
    print("matter:", matter.send(Melt(temperature=23)).state, matter.data)

    sleeper, calls = Cursor(DurableHero, Deeds()), events_of(DurableHero)
    for trigger in ("wake_up", "preen", "distress_call", "complete_mission", "nap"):
        print(f"hero, {trigger}:", sleeper.send(calls[trigger]()).state, sleeper.data)

    with Engine("morning.db", DurableMorning) as engine:
        drinks = events_of(DurableMorning)
        person = engine.start(DurableMorning, Cups(), id="me")
        for trigger in ("drink", "drink", "walk"):
            person.send(drinks[trigger]())
        print("morning:", person.state, person.data)


if __name__ == "__main__":
    main()
