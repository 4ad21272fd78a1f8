"""Sauron application package; the map of its rooms is completed below."""
__version__ = "3.0.0"
