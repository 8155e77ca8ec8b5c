"""The durable engine beside what SQLite itself can do: speed, syncs, bytes, large files, loading, memory.

    python -m benchmarks.durable [--size smoke|full] [--only NAME …] [-o text|json] [--folder DISK]
    python -m benchmarks.durable --profile serial [--no-key]

Every figure of speed is a ratio to the raw loop (`raw`) of the same round, on the same disk and at the same durability:
raw, ours, raw; median, least and most of the rounds. `lines.TARGETS` says what each figure is to be; docs/benchmarks.md
says what each name measures.
"""
