"""What can happen to an order."""

from attrs import frozen

__all__ = ["Add", "Approve", "Cancel", "Charge", "Label", "Pick", "Remark", "Submit"]


@frozen
class Add:
    """Put `count` pieces of an article into the cart."""

    sku: str
    count: int
    price: int


@frozen
class Remark:
    """Somebody notes something; nothing else depends on it."""

    text: str


@frozen
class Submit:
    """The customer orders what is in the cart."""


@frozen
class Approve:
    """A manager lets a large order pass."""

    by: str


@frozen
class Charge:
    """The bank took the money."""

    reference: str


@frozen
class Pick:
    """One article was taken from its shelf."""

    sku: str


@frozen
class Label:
    """The parcel has its address."""

    tracking: str


@frozen
class Cancel:
    """The customer wants nothing any more."""

    why: str = ""
