"""The bytes that devices run: exported, quantised, and measured as they are."""
