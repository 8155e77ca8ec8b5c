"""A drill of the order: dropped, killed and struck by errors at every point, and judged against an undisturbed run."""

from hypothesis import strategies as st

from examples.order import Order, Submit
from recovery import drill

STOCKED = """
create table if not exists stock (sku text primary key, n int);
insert or ignore into stock values ('lamp', 100);
"""
ORDERS = st.builds(Submit, sku=st.sampled_from(["lamp", "rug"]), total=st.sampled_from([5, 999, 1000, 1800]))

TestOrder = drill(Order, schema=STOCKED, strategies={Submit: ORDERS}).TestCase
