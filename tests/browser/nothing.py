"""A store in which nothing is, as a scene for `still`: Sauron as it first starts."""

from __future__ import annotations

from tests.pictures import night

NOW = night.NOW


def fill(_store: object) -> None:
    """Leave the store empty."""
