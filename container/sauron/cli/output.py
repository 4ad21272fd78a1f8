"""Print data on standard output and messages on standard error; colours only on a terminal.

Times are shown in the local zone, with the distance from now. Nothing that is printed here drives a terminal,
whatever a job, a bundle or a commit holds. Tables are as wide as the terminal; in a pipe no line is broken.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.text import cell, escaped, safe

PATIENCE_SECONDS = 1.0
PIPE_WIDTH = 1000
COLOURS = {
    "succeeded": "green",
    "degraded": "yellow",
    "failed": "red",
    "timed_out": "red",
    "running": "cyan",
    "missed": "yellow",
    "on": "green",
}
FEW = 3  # below this count the next smaller unit is shown too
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def say(message: str) -> None:
    """Print a message on standard error."""
    sys.stderr.write(f"sauron: {safe(message)}\n")
    sys.stderr.flush()


def show(text: str = "") -> None:
    """Print a line of data, or several."""
    _print(safe(text))


def show_json(value: Any) -> None:
    """Print data as JSON. Escapes stand for what a terminal obeys, so the data is complete."""
    _print(escaped(json.dumps(value, indent=2, ensure_ascii=False, default=str)))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    """Print a table. Nothing is cut off: long cells wrap on a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    watched = sys.stdout.isatty()
    drawn = Table(box=None, padding=(0, 2, 0, 0), header_style="bold" if watched else "", pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell(text or "-"), style=COLOURS.get(text or "", "")) for text in row))
    console = Console(width=None if watched else PIPE_WIDTH, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(drawn)
    for line in captured.get().splitlines():
        _print(line.rstrip())  # with its colours


def facts(pairs: Sequence[tuple[str, str | None]]) -> None:
    """Print names and values, one per line; names without a value are left out."""
    known = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        first, *others = safe(value).splitlines() or [""]
        _print(f"{name:<{width}}  {cell(first)}")
        for other in others:
            _print(f"{'':<{width}}  {cell(other)}")


def remark_line(remark: Mapping[str, Any]) -> str:
    """Return a remark on a bundle as one line: where, what, and what to do."""
    place = remark["file"] if remark["line"] is None else f"{remark['file']}:{remark['line']}"
    return f"{place}: {remark['text']}; {remark['cure']}"


def moment(text: str | None, *, now: datetime | None = None) -> str | None:
    """Return the local time of an ISO 8601 instant, with its distance from now."""
    if text is None:
        return None
    instant = datetime.fromisoformat(text)
    now = now or datetime.now(UTC)
    try:
        here = instant.astimezone()
    except OverflowError:  # the last hours of the year 9999
        return text
    off = instant - now
    days = abs((here.date() - now.astimezone().date()).days)
    near = timedelta(days=6)  # within a week the day's name is clear
    form = "%H:%M:%S" if days == 0 else "%a %H:%M" if days < near.days else "%Y-%m-%d %H:%M"
    return f"{here:{form}} ({f'in {span(off)}' if off > timedelta() else f'{span(-off)} ago'})"


def span(length: timedelta) -> str:
    """Return a duration in its largest unit, with the next smaller one if the count is below `FEW`."""
    seconds = int(length.total_seconds())
    for place, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            more = rest // _UNITS[place + 1][0] if count < FEW and place + 1 < len(_UNITS) else 0
            return f"{count} {unit}" + (f" {more} {_UNITS[place + 1][1]}" if more else "")
    return "0 s"


def took(begun: str | None, ended: str | None) -> str | None:
    """Return the duration between two ISO 8601 instants."""
    if begun is None or ended is None:
        return None
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
    return f"{seconds:.2f} s" if seconds < 60 else span(timedelta(seconds=seconds))  # noqa: PLR2004 - a minute


def zone() -> str:
    """Return the name of the local zone, in which times are shown."""
    return datetime.now(UTC).astimezone().tzname() or "local"


@contextlib.contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show progress if the block takes longer than a second: a spinner on a terminal, else one line."""
    status: list[Any] = []

    def appear() -> None:
        if not sys.stderr.isatty():
            say(f"{text} ...")
            return
        from rich.console import Console

        status.append(Console(stderr=True, highlight=False, markup=False).status(f"{cell(text)} ..."))
        status[0].start()

    timer = threading.Timer(PATIENCE_SECONDS, appear)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for shown in status:
            shown.stop()
