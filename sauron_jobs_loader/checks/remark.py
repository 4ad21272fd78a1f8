"""One thing about a bundle that its author should know: where it is, what it is, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Remark:
    """`file` is relative to the bundle's folder; `line` counts from 1, None for the file as a whole."""

    file: str
    line: int | None
    text: str
    cure: str

    def record(self) -> dict[str, Any]:
        """Return the remark as JSON data."""
        return asdict(self)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.text}; {self.cure}"
