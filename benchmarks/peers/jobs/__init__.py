"""The same job on each library; run by `python -m benchmarks.peers.durable`, each in an environment of its own."""
