"""Measurements beside their yardstick, in one run on one machine; nothing here is asserted by a test."""
