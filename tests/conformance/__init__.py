"""Suites that others wrote, fetched and run on our engine: `make conformance`, or `python -m tests.conformance NAME`.

Nothing of them is in this repository. Each is checked by its digest, run in a process of its own, and compared with the
counts that are known to be right: a suite that shrinks has failed.
"""
