"""What the agent takes of a device, and what it adds to an inference, beside the bare runtime and a script by hand."""
