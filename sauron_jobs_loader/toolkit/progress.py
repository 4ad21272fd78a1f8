"""The progress of the current run: the same as `ctx.progress`, for jobs that take no context.

Progress is shown and not stored durably: without a runner it is lost, and the job goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from sauron_jobs_loader.context import current

T = TypeVar("T")


def report(fraction: float, note: str = "") -> None:
    """Report how far the run is: 0 to 1 and a short note. Cheap to call often."""
    current().progress(fraction, note)


def track(
    iterable: Iterable[T], total: int | None = None, note: str | Callable[[T], str] = ""
) -> Iterator[T]:
    """Yield the items of an iterable, and report after each how many are done.

    `total` is by default the length of the iterable; without a length only the count is reported. `note` is
    text, or a function of the present item.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    for done, item in enumerate(iterable):
        _report_count(done, total, note(item) if callable(note) else note)
        yield item
        _report_count(done + 1, total, note(item) if callable(note) else note)


def _report_count(done: int, total: int | None, note: str) -> None:
    count = f"{done} of {total}" if total else f"{done}"
    report(done / total if total else 0.0, f"{note} ({count})" if note else count)
