"""How soon a user's network has its first variant: seconds from asking for a prune until its end."""
