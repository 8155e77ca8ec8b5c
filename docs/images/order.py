"""Write the text of the README's picture of an order: charged, labelled, and not picked yet.

    python -m docs.images.order > docs/images/order.dot
    dot -Tsvg docs/images/order.dot > docs/images/order.svg

tests/test_diagrams.py holds that the text is what the code writes.
"""  # noqa: INP001  # a script, not a package

import sys

from examples.order import Charged, Labelled, Order, OrderData, Submit
from statemachine import Cursor, diagram


def text() -> str:
    """Return the text for Graphviz."""
    order = Cursor(Order, OrderData()).send(Submit("lamp", 900)).send(Charged("ch-1")).send(Labelled("t-1"))
    return diagram(order, format="dot")


if __name__ == "__main__":
    sys.stdout.write(text())
