"""How much fits into one response: Lambda sends at most 6 MB, so long lists and logs come in pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

# The part of Lambda's 6 MB that items may fill; a caller reads on from the page's `after`.
MAX_BYTES = 4 << 20


def sent_bytes(text: str) -> int:
    """Return how many bytes a text takes in a Lambda response, where the body is one string of ASCII JSON."""
    return len(json.dumps(text)) - 2


def take_within(
    items: Iterable[T], *, size: Callable[[T], int], budget: int = MAX_BYTES
) -> tuple[list[T], bool]:
    """Return the first items whose sizes together fit the budget, and whether others follow.

    The first item is returned whatever its size, so that a caller who pages always gets on. At most one item
    beyond the budget is read from `items`.
    """
    taken: list[T] = []
    used = 0
    for item in items:
        used += size(item)
        if used > budget and taken:
            return taken, True
        taken.append(item)
    return taken, False
