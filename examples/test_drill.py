"""A drill of the order: killed, dropped and struck by errors at every point, and judged against an undisturbed run."""

from hypothesis import strategies as st

from examples.order import SCHEMA, Order, Submit
from recovery import drill

STOCKED = f"{SCHEMA}; insert or ignore into stock values ('lamp', 100)"

TestOrder = drill(
    Order,
    schema=STOCKED,
    strategies={Submit: st.builds(Submit, sku=st.sampled_from(["lamp", "rug"]), total=st.integers(1, 2000))},
).TestCase
