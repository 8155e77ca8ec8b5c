"""The durable engine beside what SQLite itself can do; run as `python -m benchmarks.durable`."""
