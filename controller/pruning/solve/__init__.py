"""Which structure to choose under the caps: what channels are worth, against what they cost."""
