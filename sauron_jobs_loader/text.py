"""Text that comes from a bundle, on its way to a store."""

from __future__ import annotations


def storable(text: str) -> str:
    """Return text that every database and encoder takes: no lone surrogates, no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
