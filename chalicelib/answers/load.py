"""How many occurrences fall on each minute: counters of all minutes at once, in columns of bits.

Column `n` holds bit `n` of every minute's count, so that adding a job is a few operations on integers,
however many minutes there are.
"""

from __future__ import annotations

from chalicelib.cron.minutes import places


class Load:
    """The occurrences of several jobs, by minute."""

    def __init__(self) -> None:
        self._columns: list[int] = []

    def add(self, bits: int) -> None:
        """Add a job's occurrences."""
        for place, column in enumerate(self._columns):
            self._columns[place], bits = column ^ bits, column & bits
            if not bits:
                return
        if bits:
            self._columns.append(bits)

    def count(self, part: int | None = None) -> int:
        """Return how many occurrences there are, in all minutes or in those of `part`."""
        return sum(
            (column if part is None else column & part).bit_count() << place
            for place, column in enumerate(self._columns)
        )

    def fullest(self) -> tuple[int, int] | None:
        """Return the first of the minutes with most occurrences, and their number; None without any."""
        if not self._columns:
            return None
        among, most = self._columns[-1], 1 << len(self._columns) - 1
        for place in range(len(self._columns) - 2, -1, -1):
            if both := among & self._columns[place]:
                among, most = both, most | 1 << place
        return next(places(among, most=1)), most
