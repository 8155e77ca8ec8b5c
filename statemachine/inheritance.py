"""Which class bodies make up a workflow, and what may stand in them: its own, its bases', and plain mixins."""

import re
import typing
from typing import Any

from statemachine.errors import DefinitionError
from statemachine.frame import ATTEMPT, RESERVED
from statemachine.states import History, check_body, children
from statemachine.tasks import Noted, noted

__all__ = ["data_type", "noted_in", "own_bodies", "stored_name"]

NAME_LENGTH_MAX = 200  # it stands in every record

_ITS_OWN = {"__init__", "__new__", "__setattr__"}  # a frame is made and guarded by Workflow


def stored_name(workflow: type, name: object) -> str:
    """Return the name under which a workflow is stored: the one given, or its class name. Raises DefinitionError."""
    label = workflow.__name__ if name is None else name
    if type(label) is not str or not re.fullmatch(r"[^\W\d][\w.-]*", label) or len(label) > NAME_LENGTH_MAX:
        raise DefinitionError(
            "PD134",
            f"{workflow.__name__}: {label!r} cannot be stored as the name of a workflow. "
            f"Use letters, digits, _, - and dots, at most {NAME_LENGTH_MAX}, a letter first.",
        )
    return label


def own_bodies(workflow: type, root: type, label: str) -> list[type]:
    """Return the class bodies that make up a workflow, a subclass's before its base's. Raises DefinitionError."""
    mixins = [owner for owner in workflow.__mro__ if owner not in root.__mro__]
    for owner in mixins:
        check_body(owner, label if owner is workflow else owner.__name__)
        # The class of a machine's model may make its objects as it likes: a frame is not made by it (`adopting`).
        for name in sorted(_ITS_OWN & set(vars(owner))) if owner not in getattr(workflow, "__models__", ()) else ():
            raise DefinitionError("PD112", f"{label}: {name} cannot be defined. Give the data's fields defaults.")
        for name in sorted((RESERVED | {ATTEMPT}) & set(vars(owner))):
            raise DefinitionError("PD114", f"{label}: {name!r} is a name of the frame. Choose another one.")
        for name, value in vars(owner).items():
            if type(value) in {staticmethod, classmethod} and noted(value.__wrapped__):
                raise DefinitionError(
                    "PD121", f"{label}: the rule {name!r} stands in a {type(value).__name__}. Make it a plain method."
                )
    for owner in (owner for owner in mixins if not issubclass(owner, root)):
        for name, value in vars(owner).items():
            if noted(value) or name in children(owner) or isinstance(value, History):
                raise DefinitionError(
                    "PD126",
                    f"{label}: {name!r} is a state or a rule of the mixin {owner.__name__}. "
                    "Derive the mixin from Workflow, with abstract=True, or leave plain helpers in it.",
                )
    return [owner for owner in mixins if issubclass(owner, root)]


def noted_in(owners: list[type]) -> list[tuple[str, Noted]]:
    """Return what decorators noted in class bodies, by name: the first body's first, each in source order.

    A name that was noted is not looked at in later bodies: a redefined rule replaces its base's. Pure.
    """
    found: dict[str, list[Noted]] = {}
    for owner in owners:
        for name, value in vars(owner).items():
            if name not in found and (of_name := noted(value)):
                found[name] = of_name
    return [(name, note) for name, of_name in found.items() for note in of_name]


def data_type(workflow: type) -> Any:  # a type expression
    """Return the D of the nearest base Workflow[D]; None where it is not given."""
    for owner in workflow.__mro__:
        for base in getattr(owner, "__orig_bases__", ()):
            arguments = typing.get_args(base)
            if arguments and not isinstance(arguments[0], typing.TypeVar):
                return arguments[0]
    return None
