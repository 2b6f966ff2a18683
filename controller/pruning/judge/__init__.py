"""Whether a variant may ship: how right it is, and whether that is as good as the dense model's answers."""
