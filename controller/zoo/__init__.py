"""Real reference models with their data, for the demo, the tests and the benchmarks."""
