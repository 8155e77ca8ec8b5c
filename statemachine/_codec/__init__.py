"""How `statemachine.codec` works inside: kinds of values, and the functions that are generated for them."""
