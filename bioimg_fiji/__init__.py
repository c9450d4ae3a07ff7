"""Python deep-learning models as ordinary Fiji commands."""

__version__ = "0.1.0"
