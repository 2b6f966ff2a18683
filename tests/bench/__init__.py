"""Benchmarks: `make bench BENCH=name` runs `tests/bench/name` and writes `docs/bench/name.json` and `name.md`."""
