"""How well pruning meets its targets, beside its peers: every figure of `docs/bench/prune.json` is from one run."""
