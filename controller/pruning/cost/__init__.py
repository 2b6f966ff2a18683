"""What a structure will cost: kernels timed with the agent's runtime, live tensors, weights; then corrected."""
