"""Play many stories: `make simulate`.

    make simulate                                   # all that follows; writes its table into docs/faults.md
    make simulate ARGS="--days 100000"              # stories of so many schedule-days, on every core
    make simulate ARGS="--seed 42"                  # one story, with what happened in it
    make simulate ARGS="--seed 42 --shrink"         # the smallest story that still fails, as a test
    make simulate ARGS="--mutants"                  # break the product in a copy, and see each break noticed
    make simulate ARGS="--zones"                    # every zone's clock changes, against brute force

Equal seeds give equal runs. Exit code 0: no promise was broken. With arguments nothing is written.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

import structlog

from tests.simulation.figures import Figures
from tests.simulation.jobs import Violation
from tests.simulation.shrink import problem_of, shrink
from tests.simulation.story import draw
from tests.simulation.world import play, template
from tests.written_page import ROOT, measured_on, table, write

HEAD = ("what is played", "played", "seeds", "outcome")


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one story."""

    seed: int
    schedule_days: float
    occurrences: int
    commits: int
    seconds: float  # of processor time
    problem: str | None


def quiet() -> None:
    """Keep the product's log to itself."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def play_seed(seed: int) -> Played:
    """Play the story of a seed."""
    quiet()
    story, began = draw(seed), time.process_time()
    try:
        world = play(story)
    except Violation as problem:
        said = " | ".join([str(problem), *getattr(problem, "__notes__", [])])
        return Played(seed, 0, 0, 0, time.process_time() - began, said)
    return Played(
        seed,
        story.schedule_days,
        world.ledger.occurrences,
        world.boundary.commits,
        time.process_time() - began,
        None,
    )


def main() -> int:
    """Do what the command line asks for; return the exit code."""
    from tests.simulation import mutants, zones

    options = _options()
    quiet()
    if options.mutants is not None:
        return mutants.main(options.mutants).broken
    if options.zones:
        return zones.main().broken
    if options.seed is not None:
        return _one(options.seed, smaller=options.shrink)
    whole = len(sys.argv) == 1
    measured = list(measured_on())
    found = [_many(options)]
    if whole:
        found += [mutants.main(), zones.main()]
        measured = [measured[0], *list(measured_on())[1:]]  # a commit made meanwhile is not what was played
        measured[-1] = measured[-1].rstrip(",") + "."
        lines = [*table([HEAD, *(one.row() for one in found)], aligned=False), "", *measured]
        write(ROOT / "docs" / "faults.md", "make simulate", lines)
    return int(any(one.broken for one in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=float, default=100_000, help="schedule-days to play, over all stories")
    parser.add_argument("--seconds", type=float, help="stop after so much processor time of each process")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="play this one story")
    parser.add_argument("--shrink", action="store_true", help="print the smallest failing story as a test")
    parser.add_argument(
        "--mutants", nargs="?", const="", metavar="PART", help="see that breaks of the product are noticed"
    )
    parser.add_argument(
        "--zones", action="store_true", help="hold the schedule against brute force in every zone"
    )
    parser.add_argument("--first-violation", action="store_true", help="stop at the first broken promise")
    parser.add_argument("--short", action="store_true", help="only stories of a few hours")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _one(seed: int, *, smaller: bool) -> int:
    story = draw(seed)
    if smaller:
        if problem_of(story) is None:
            print(f"The story of seed {seed} breaks no promise.")
            return 0
        small = shrink(story)
        print(small.as_test(problem_of(small) or ""))
        return 1
    try:
        world = play(story, trace=True)
    except Violation as problem:
        print(*problem.world.trace[-200:], sep="\n")  # type: ignore[attr-defined]
        print(str(problem), *getattr(problem, "__notes__", []), sep="\n")
        return 1
    print(*world.trace, sep="\n")
    print(
        f"digest {world.digest.hexdigest()}, {world.ledger.occurrences} occurrences, "
        f"{world.boundary.commits} commits"
    )
    return 0


def _many(options: argparse.Namespace) -> Figures:
    began = time.monotonic()
    days, occurrences, commits, stories, seconds, broken, last = 0.0, 0, 0, 0, 0.0, 0, options.first
    for one in _all(options):
        days, occurrences, commits = (
            days + one.schedule_days,
            occurrences + one.occurrences,
            commits + one.commits,
        )
        stories, seconds, last = stories + 1, seconds + one.seconds, max(last, one.seed)
        if one.problem:
            broken += 1
            print(f"seed {one.seed}: {one.problem}", flush=True)
            if options.first_violation:
                break
        if days >= options.days or (options.seconds and seconds >= options.seconds * options.processes):
            break
    return Figures(
        "stories of faults",
        f"{stories} stories, {days:,.0f} schedule-days, {occurrences:,} occurrences, {commits:,} commits in "
        f"{time.monotonic() - began:.0f} s ({seconds:.0f} s of processor time)",
        f"of {options.first} to {last}",
        f"{broken} violations",
        broken=bool(broken),
    ).shown()


def _all(options: argparse.Namespace) -> Iterator[Played]:
    seeds = (seed for seed in itertools.count(options.first) if not options.short or draw(seed).is_short)
    if options.processes == 1:
        yield from map(play_seed, seeds)
    template()  # once, for all processes
    with ProcessPoolExecutor(options.processes) as pool:
        going: set[Future[Played]] = set()
        try:
            while True:
                while len(going) < options.processes * 2:
                    going.add(pool.submit(play_seed, next(seeds)))
                done, going = wait(going, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        finally:
            for one in going:
                one.cancel()


if __name__ == "__main__":
    sys.exit(main())
