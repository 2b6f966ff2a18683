"""The nouns of the controller as frozen values, one a file. SI units; a `None` is "not known", never 0."""
