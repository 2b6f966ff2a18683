"""What each job does, from the folders below: a dense artifact, a prune, a ladder, a report on zeros."""
