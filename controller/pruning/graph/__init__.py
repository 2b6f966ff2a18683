"""What of a model may be removed, proven sound, and how it is removed."""
