"""Stories: what a simulated Sauron lives through, drawn from a seed, and written as Python to be kept.

A story is a list of revisions of a bundle and a list of events with their times. Everything else follows
from it: equal stories give equal runs. Leaving out an event leaves the others as they are, so a story can be
shrunk.
"""

from __future__ import annotations

import pprint
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HOUR, DAY = 3600, 86400
SHORT_DAYS = 0.1
ZONES = (
    *("UTC",) * 4,
    *("Europe/Berlin", "America/New_York") * 2,
    *("Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia"),
)
# around the nights in which clocks jump, and quiet times
STARTS = ("2026-03-27", "2026-03-06", "2026-10-23", "2026-10-30", "2026-04-03", "2026-02-26", "2027-12-30")

Event = tuple[float, str, dict[str, Any]]
Manifest = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a kind of story goes: how many jobs and days, how often something happens."""

    jobs: tuple[int, int]
    days: tuple[float, float]
    minutes: tuple[str, ...]
    hours: tuple[str, ...]
    between_events: float  # seconds, on average
    dates: tuple[str, ...] = ()  # day, month and weekday of its jobs; usually each day
    stalls: tuple[int, ...] = (5, 25, 40, 60, 90, 120, 400)  # seconds
    more: Mapping[str, int] = field(default_factory=dict)  # kinds of events that come more often


PACES = {
    # leases lapse after half a minute: only here are attempts about as long
    "minutes": Pace(
        (2, 5),
        (0.02, 0.08),
        ("*", "*", "*/2", "*/5", "7,37", "1-59/3"),
        ("*",),
        120,
        stalls=(5, 40, 70, 90, 120, 120, 200),
        more={"stall": 14},
    ),
    "hours": Pace(
        (3, 8), (0.3, 1.2), ("0", "15", "0,30", "*/30", "59"), ("*", "*", "*/3", "8-18", "2"), HOUR
    ),
    "days": Pace((20, 50), (8, 30), ("0", "0", "30", "15"), ("0", "1", "2", "2", "3", "6", "12"), DAY),
    "years": Pace(
        (20, 40),
        (120, 400),
        ("0", "0", "30", "15"),
        ("0", "2", "2", "3", "6", "23"),
        8 * DAY,
        ("* * 1", "* * 0", "1 * *", "1 * *", "15 * *", "1 1,4,7,10 *", "31 12 *", "29 2 *", "1 1 1"),
    ),
}
SHARES = ("minutes", "minutes", "hours", "hours", "days", "years")
LONG = ("days", "years")
SKEW = 1.0  # seconds by which clocks differ at most
ONE_POOL_EVERY = 4  # so many seeds have one story in which all jobs share a pool


@dataclass(frozen=True, slots=True)
class Story:
    """What happens. `events` are (seconds since the start, kind, details), in the order of time."""

    seed: int
    start: str
    days: float
    runners: int
    workers: int
    revisions: tuple[Manifest, ...]
    events: tuple[Event, ...]
    on_disk: bool = False
    ahead: tuple[float, ...] = ()  # seconds, of the runners' clocks and last of the one that serves people

    @property
    def is_short(self) -> bool:
        """Whether it is a matter of minutes."""
        return self.days < SHORT_DAYS

    @property
    def schedule_days(self) -> float:
        """How many days of one job's schedule it covers."""
        return self.days * max(len(manifest) for manifest in self.revisions)

    def as_test(self, problem: str) -> str:
        """Return the text of a test that replays the story."""
        told = pprint.pformat(list(self.events), width=100, compact=True)
        revisions = pprint.pformat([dict(one) for one in self.revisions], width=100, sort_dicts=False)
        return (
            f"def test_story_of_seed_{self.seed}() -> None:\n"
            f'    """{problem.splitlines()[0]}"""\n'
            "    play(\n        Story(\n"
            f"            seed={self.seed}, start={self.start!r}, days={self.days}, runners={self.runners},\n"
            f"            workers={self.workers}, on_disk={self.on_disk}, ahead={self.ahead},\n"
            f"            revisions=({revisions[1:-1]},),\n"
            f"            events=({told[1:-1]},),\n"
            "        )\n    )\n"
        )


def draw(seed: int) -> Story:
    """Return the story of a seed."""
    rng = random.Random(seed)  # noqa: S311 - repeatable
    kind = rng.choice(SHARES)
    pace = PACES[kind]
    days = round(rng.uniform(*pace.days), 3)
    manifests: list[Manifest] = [_first_manifest(rng, pace)]
    events = _events(rng, pace, days, manifests)
    if seed % ONE_POOL_EVERY == 0:
        manifests = [{job_id: job | {"pool": "db"} for job_id, job in one.items()} for one in manifests]
    runners = rng.choice((1, 1, 1, 2) if kind in LONG else (1, 2, 2, 2, 3, 4))
    return Story(
        seed,
        rng.choice(STARTS) + f"T{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}",
        days,
        runners,
        rng.choice((1, 2, 4, 8)),
        tuple(manifests),
        tuple(events),
        on_disk=rng.random() < 0.1,
        ahead=tuple(round(rng.uniform(0, SKEW), 3) for _ in range(runners + 1)),
    )


def _first_manifest(rng: random.Random, pace: Pace) -> Manifest:
    jobs = {f"j{number}": _job(rng, pace) for number in range(rng.randint(*pace.jobs))}
    for number in range(rng.choice((0, 1, 1, 2))):
        jobs[f"k{number}"] = _job(rng, pace) | {"cron": "", "after": [rng.choice(sorted(jobs))]}
        jobs[f"k{number}"].pop("jitter_minutes", None)
    return jobs


def _job(rng: random.Random, pace: Pace) -> dict[str, Any]:
    job: dict[str, Any] = {"cron": _cron(rng, pace), "timezone": rng.choice(ZONES)}
    maybe = {
        "overlap": ("skip", "skip", "queue", "replace", "allow"),
        "catchup": ("latest", "latest", "none", "all"),
        "max_attempts": (1, 2, 3),
        "retry_backoff_seconds": (0, 5, 60, 900),
        "catchup_max": (1, 2, 5, 100),
        "catchup_window_seconds": (60, 3600, 86400),
        "enabled": (True, True, True, True, False),
        "pool": (None, None, None, "db", "api"),
        "priority": (0, 0, 0, 5, -5),
    }
    job |= {name: rng.choice(values) for name, values in maybe.items() if rng.random() < 0.7}
    if rng.random() < 0.15 and job["cron"].split()[0].isdigit():
        job["jitter_minutes"] = rng.choice((1, 5, 30))
    return job


def _cron(rng: random.Random, pace: Pace) -> str:
    day, month, weekday = rng.choice(pace.dates or ("* * *",)).split()
    kind = 1.0 if pace.dates else rng.random()
    if kind < 0.1:
        weekday = rng.choice(("1-5", "0", "6,0", "3"))
    elif kind < 0.15:
        day, weekday = rng.choice(("1", "1,15", "*/2", "28")), rng.choice(("*", "1"))
    return f"{rng.choice(pace.minutes)} {rng.choice(pace.hours)} {day} {month} {weekday}"


def _next_manifest(rng: random.Random, pace: Pace, before: Manifest) -> Manifest:
    """Return a manifest that a commit could make of another: some edits, something new, something gone."""
    jobs = {job_id: dict(job) for job_id, job in before.items()}
    for _ in range(rng.choice((1, 1, 2, 3))):
        act = rng.choice(("edit", "edit", "cron", "add", "remove", "rename", "reject", "same"))
        some = rng.choice(sorted(jobs)) if jobs else None
        new = f"j{rng.randrange(100)}"
        if act == "add" and new not in jobs:
            jobs[new] = _job(rng, pace)
        elif some is None or act == "same":
            continue
        elif act == "edit":
            as_before = {
                name: jobs[some][name] for name in ("cron", "timezone", "after") if name in jobs[some]
            }
            jobs[some] = _job(rng, pace) | as_before
            if not as_before["cron"]:
                jobs[some].pop("jitter_minutes", None)
        elif act == "cron" and jobs[some]["cron"]:
            jobs[some] = jobs[some] | {"cron": _cron(rng, pace)}
            jobs[some].pop("jitter_minutes", None)
        elif act == "remove":
            del jobs[some]
        elif act == "rename" and new not in jobs:
            jobs[new] = jobs.pop(some) | {"renamed_from": some}
        elif act == "reject":
            jobs[some] = jobs[some] | {"cron": "61 * * * *"}
    return jobs


def _events(rng: random.Random, pace: Pace, days: float, manifests: list[Manifest]) -> list[Event]:
    events: list[Event] = []
    at = rng.expovariate(1 / pace.between_events)
    while at < days * DAY:
        events.append((round(at, 1), *_event(rng, pace, manifests)))
        at += rng.expovariate(1 / pace.between_events)
    return events


WEIGHTS = {
    "sync": 4,
    "rollback": 1,
    "trigger": 6,
    "cancel": 2,
    "retry": 1,
    "disable": 3,
    "enable": 3,
    "outage": 2,
    "crash": 3,
    "stop": 1,
    "stall": 5,
    "fault": 8,
    "refuse": 1,
    "jump": 1,
    "tick": 1,
    "pause": 1,
    "unpause": 1,
}


def _event(rng: random.Random, pace: Pace, manifests: list[Manifest]) -> tuple[str, dict[str, Any]]:
    weights = {**WEIGHTS, **pace.more}
    kind = rng.choices(list(weights), list(weights.values()))[0]
    if kind == "sync":
        manifests.append(_next_manifest(rng, pace, manifests[-1]))
    around = round(pace.between_events)
    job = f"j{rng.randrange(min(len(manifests[0]) + 1, 12))}"
    choices: dict[str, dict[str, Any]] = {
        "sync": {
            "head": (len(manifests),),
            "accept": (True, False),
            "broken": (False,) * 9 + (True,),
            "takes": (0, 0, 3),
        },
        "rollback": {"to": range(1, len(manifests) + 1)},
        "trigger": {"job": (job,), "force": (False,) * 4 + (True,), "key": (None, None, "a", "b")},
        "cancel": {"job": (job,)},
        "retry": {"job": (job,)},
        "enable": {"job": (job,), "lasts": (None, None, 30, 600, around)},
        "disable": {"job": (job,), "lasts": (None, None, 30, 600, around)},
        "outage": {"lasts": (5, 70, 140, 200, 900, around, around * 5)},
        "crash": {"runner": range(4), "lasts": (1, 20, 100, 1000)},
        "stop": {"runner": range(4), "lasts": (1, 20, 100, 1000)},
        "stall": {"runner": range(4), "lasts": pace.stalls},
        "fault": {
            "how": ("before", "after", "lost", "refused"),
            "nth": range(1, 9),
            "lasts": (1, 20, 200),
        },
        "refuse": {"lasts": (3, 40, 130, 600)},
        "jump": {"by": (-61, -5, 5, 61, 300, 7200)},
        "tick": {"runner": range(4)},
        "pause": {"lasts": (None, 30, 100, 600)},
        "unpause": {},
    }
    return kind, {name: rng.choice(values) for name, values in choices[kind].items()}
