"""Giving a pruned model its accuracy back."""
