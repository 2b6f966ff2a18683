"""The light side of Hedgerow: what runs on a device."""

__version__ = "0.1.0"
