"""What a part of the simulation found: a line that is printed, and a row of the table in docs/faults.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """What was done, in figures, with which seeds, and what came of it."""

    what: str
    played: str
    seeds: str
    outcome: str
    broken: bool

    def row(self) -> tuple[str, str, str, str]:
        """Return the row of the table."""
        return (self.what, self.played, self.seeds, self.outcome)

    def shown(self) -> Figures:
        """Print it, and return it."""
        print(f"{self.played}: {self.outcome}", flush=True)
        return self
