"""How far the current run is, for jobs that take no context: the same as `ctx.progress`.

Progress is shown and not kept: the runner's absence loses it and does the job no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from sauron_jobs_loader.context import current

T = TypeVar("T")


def report(fraction: float, note: str = "") -> None:
    """Tell how far the run is: 0 to 1 and a short note. Cheap to call often."""
    current().progress(fraction, note)


def track(
    iterable: Iterable[T], total: int | None = None, note: str | Callable[[T], str] = ""
) -> Iterator[T]:
    """Pass on what an iterable holds and tell after each how many are done.

    `total` is looked up when the iterable has a length; without one only the count is told. `note` is text,
    or a function of the item that is begun.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    for done, item in enumerate(iterable):
        _tell(done, total, note(item) if callable(note) else note)
        yield item
        _tell(done + 1, total, note(item) if callable(note) else note)


def _tell(done: int, total: int | None, note: str) -> None:
    count = f"{done} of {total}" if total else f"{done}"
    report(done / total if total else 0.0, f"{note} ({count})" if note else count)
