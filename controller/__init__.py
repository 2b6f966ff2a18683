"""The controller: prunes one trained model to each device's budget, pushes it, watches it, and repairs breaches."""
