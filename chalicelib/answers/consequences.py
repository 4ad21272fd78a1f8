"""Which other jobs do not run, or wait, because of a job that is not well.

Two things tie jobs together: chains, in which the ledger names the parent because of which a child did not
run, and pools, in which a run in progress may take the last place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.model.chains import stopped_by
from chalicelib.model.jobs import Job
from chalicelib.store import history, registry
from chalicelib.store.database import Tx
from chalicelib.store.queue import chains, pools

from .job_health import Health, JobHealth

MOST = 60  # steps of chains that are looked at for all jobs of a page


@dataclass(frozen=True, slots=True)
class Consequences:
    """The jobs that one job concerns.

    `stopped` follow it, and their newest occurrence did not run because of it. `held` follow it and are on,
    while it is late or off. `crowded_out` wait for a place in `pool`, which a run of it takes.
    """

    stopped: Sequence[str] = ()
    held: Sequence[str] = ()
    pool: str = ""
    crowded_out: Sequence[str] = ()


def consequences(tx: Tx, found: Sequence[JobHealth], *, now: datetime) -> dict[str, Consequences]:
    """Return what each of these jobs means for others."""
    ids = [one.job.id for one in found]
    below = chains.below(tx, ids, most=MOST)
    jobs = _jobs(tx, below)
    blamed = stopped(tx, jobs.values())
    crowds = pools.crowded_out(tx, ids, now=now)
    made: dict[str, Consequences] = {}
    for one in found:
        pool, crowded_out = crowds.get(one.job.id, ("", []))
        kept_back = _down(one.job.id, below, lambda parent, child: blamed.get(child) == parent)
        held = _down(one.job.id, below, lambda _, child: child in jobs and jobs[child].enabled)
        waits = one.health in {Health.LATE, Health.OFF}
        made[one.job.id] = Consequences(kept_back, held if waits else [], pool, crowded_out)
    return made


def followers(tx: Tx, job_id: str) -> list[str]:
    """Return the jobs that are on and run only after a job, or after another of these."""
    below = chains.below(tx, [job_id], most=MOST)
    jobs = _jobs(tx, below)
    return _down(job_id, below, lambda _, child: child in jobs and jobs[child].enabled)


def _jobs(tx: Tx, below: Mapping[str, Sequence[str]]) -> dict[str, Job]:
    """Return the children that are defined."""
    children = {child for some in below.values() for child in some}
    known = {child: registry.job(tx, child) for child in sorted(children)}
    return {child: job for child, job in known.items() if job is not None and not job.removed_at}


def stopped(tx: Tx, jobs: Iterable[Job]) -> dict[str, str]:
    """Return for each of these jobs whose newest row is an occurrence that a parent stopped, that parent."""
    newest = {job.id: history.runs(tx, job_id=job.id, limit=1) for job in jobs if job.spec.after}
    return {job_id: parent for job_id, rows in newest.items() if rows and (parent := stopped_by(rows[0]))}


def _down(job_id: str, below: Mapping[str, Sequence[str]], goes_on: Callable[[str, str], bool]) -> list[str]:
    """Return the jobs below one, each once, down to where a step from parent to child does not go on.

    Old definitions that stay in force beside new ones may form a circle; the job itself is not among them.
    """
    found: list[str] = []
    steps = [(job_id, child) for child in reversed(below.get(job_id, ()))]
    while steps:
        parent, child = steps.pop()
        if child != job_id and child not in found and goes_on(parent, child):
            found.append(child)
            steps += [(child, further) for further in reversed(below.get(child, ()))]
    return found
