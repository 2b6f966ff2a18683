"""The runtimes that a worker may run its artifact with, one a module."""
