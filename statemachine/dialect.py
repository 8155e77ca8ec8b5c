"""Where statechart rules and the habits of `transitions` differ, point by point: a chart is compiled for one of them.

Everything else is the same: `statemachine.step` selects for both. Pure.
"""

from attrs import frozen

__all__ = ["SCXML", "TRANSITIONS", "Dialect"]


@frozen
class Dialect:
    """How states are left and entered."""

    by_level: bool
    """States are left from the deepest level up and entered from the first level down, each level in document order;
    else they are left in reverse document order and entered in document order."""

    in_the_way: bool
    """A rule leaves what stands in the way of its target: what is active inside the innermost active state around the
    target, and of a parallel one only the target's region. Else it leaves all inside the innermost compound state that
    holds its source and its target, so that a rule that leads into a sibling region leaves both."""


SCXML = Dialect(by_level=False, in_the_way=False)
"""The rules of W3C SCXML: what workflows run by."""

TRANSITIONS = Dialect(by_level=True, in_the_way=True)
"""The habits of `transitions` 0.9, as its own tests hold them."""
