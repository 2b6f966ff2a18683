"""The operator's model and data, brought to life in a job's own process."""
