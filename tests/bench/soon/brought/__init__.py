"""Networks and data as users bring them. Each file is copied beside its weights and stands there for itself."""
