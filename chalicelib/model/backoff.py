"""Delays between tries: how they grow, and how they are spread so that many callers do not return at once.

A delay depends only on its arguments. A caller that must get the same delay again (a run, an alert) passes
`stable_fraction` of a name; one that has no name passes a random number.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

RETRY_CEILING = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays after one failure, two failures in a row, and so on; the last step repeats.

    `spread` is the range of factors that a step is multiplied with.
    """

    steps: tuple[timedelta, ...]
    spread: tuple[float, float] = (1.0, 1.1)

    @classmethod
    def doubling(
        cls, first: timedelta, ceiling: timedelta, *, spread: tuple[float, float] = (1.0, 1.1)
    ) -> Backoff:
        """Return first, 2 x first, 4 x first ... at most `ceiling`."""
        steps = [min(first, ceiling)]
        while timedelta() < steps[-1] < ceiling:
            steps.append(min(steps[-1] * 2, ceiling))
        return cls(tuple(steps), spread)

    def delay(self, failures: int, fraction: float) -> timedelta:
        """Return the delay after so many failures in a row, from 1.

        `fraction` in [0, 1] picks a point of the spread.
        """
        step = self.steps[min(max(failures, 1), len(self.steps)) - 1]
        low, high = self.spread
        return step * (low + (high - low) * fraction)


def stable_fraction(name: str) -> float:
    """Return a number in [0, 1] that is always the same for a name and spread evenly over names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 0xFFFFFFFF


def retry_delay(base: timedelta, attempt: int, run_id: str) -> timedelta:
    """Return the delay after failed attempt `attempt`: base, 2 x base ... up to an hour, plus up to 10 %."""
    return Backoff.doubling(base, RETRY_CEILING).delay(attempt, stable_fraction(f"{run_id}/{attempt}"))
