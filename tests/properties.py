"""How many examples a property is tried with."""

from __future__ import annotations

import os


def examples(few: int, many: int) -> int:
    """Return few for a run of the tests, many where `PROPERTIES=many` asks for it, as `make faults` does."""
    return many if os.environ.get("PROPERTIES") == "many" else few
