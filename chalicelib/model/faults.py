"""Names of faults, as they stand in the store, in `/status` and in alerts."""

from __future__ import annotations

FETCH = "fetch"  # the bundle could not be fetched
LOAD = "load"  # the newest revision does not load: its manifest or its requirements
HELD = "held"  # the newest revision would remove most jobs and was not confirmed

DEFINITION_REJECTED = "definition rejected"  # how the reason of a missed occurrence of such a job begins
