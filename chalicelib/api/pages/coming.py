"""What comes next: every occurrence of the next 24 hours, and which will wait or not run, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.answers import agenda, fates, foreseen
from chalicelib.answers.agenda import Line
from chalicelib.answers.fates import Fate
from chalicelib.answers.foreseen import Foresight
from chalicelib.answers.job_health import failing
from chalicelib.api import parameters
from chalicelib.api.query import Query
from chalicelib.api.routing import current_request, get
from chalicelib.clock import iso
from chalicelib.errors import ScheduleError
from chalicelib.model.jobs import JobSpec, in_words
from chalicelib.model.runs import JobId
from chalicelib.store.database import Tx
from chalicelib.text import counted

from .foreseen_words import Words, words
from .frame import SAID, page
from .jobs import PROJECT, TAG, Q, matches

blueprint = Blueprint(__name__)

SHOWN = 50  # lines on one page
KEPT = ("q", "tag", "project")
FROM = parameters.instant("from", "Only occurrences from this instant on.")
AFTER = parameters.text("after", "With `from`: only those after this job's at that instant.")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the page, with its schedule, the usual duration of its job, and what is foreseen."""

    of: Line
    spec: JobSpec
    schedule: str
    usual: float | None
    foreseen: Words


@get(blueprint, "/ui/next", query=(*SAID, Q, TAG, PROJECT, FROM, AFTER))
def coming() -> Response:
    """List the occurrences of the next 24 hours, with what is foreseen of each."""
    current = current_request()
    asked, sauron = current.query, current.sauron
    now = sauron.clock.now()
    start = FROM.of(asked)
    with sauron.store.read() as tx:
        seen = foreseen.foresee(tx, sauron.settings, now=now)
        wanted = _wanted(seen, asked)
        key = (start, JobId(AFTER.of(asked) or "")) if start and start > now else (now, JobId(""))
        part = agenda.lines_after(seen, key, wanted, most=SHOWN)
        rows = _rows(tx, seen, part.lines)
        red = failing(tx)
    kept = asked.kept(KEPT)
    specs = [one.spec for one in seen.members.values()]
    return page(
        "next.html",
        here="next",
        failing=red,
        jobs=len(specs),
        summary=_summary(seen, wanted, narrowed=bool(kept)),
        busiest=_busiest(seen),
        running=len(seen.begun.running),
        queued=len(seen.begun.queued),
        stopped=_stopped(seen, enabled=sauron.settings.queue_enabled),
        until=None if seen.whole else seen.until,
        simulated=len(seen.simulated),
        kept=kept,
        start=start,
        tags=sorted({tag for spec in specs for tag in spec.tags}),
        projects=sorted({spec.project for spec in specs if spec.project}),
        rows=rows,
        following=_following(kept, part.following),
    )


def _wanted(seen: Foresight, asked: Query) -> Callable[[JobId], bool]:
    q, tag, project = Q.of(asked), TAG.of(asked), PROJECT.of(asked)
    if q is None and tag is None and project is None:
        return lambda _job_id: True
    found = {job_id for job_id, one in seen.members.items() if matches(one.spec, q, tag, project)}
    return found.__contains__


def _rows(tx: Tx, seen: Foresight, lines: list[Line]) -> list[Row]:
    others = sorted({line.job_id for line in lines} - seen.usual.keys())
    usual = dict(seen.usual) | foreseen.usual_seconds(tx, others)
    return [
        Row(line, spec, _schedule(spec), usual.get(line.job_id), words(seen, line))
        for line in lines
        if (spec := seen.members[line.job_id].spec)
    ]


def _schedule(spec: JobSpec) -> str:
    try:
        return in_words(spec.cron_text, spec.after)
    except ScheduleError:  # a zone that an update of this machine dropped
        return ""


def _summary(seen: Foresight, wanted: Callable[[JobId], bool], *, narrowed: bool) -> str:
    """Return the sentence that counts what comes: "37 occurrences of 12 jobs, 2 will probably wait."."""
    found: Counter[Fate] = seen.count(wanted)
    if not found:
        return ""
    jobs = sum(wanted(job_id) for job_id in seen.counts)
    match = " match" if narrowed else ""
    plural = "occurrence" if found.total() == 1 else "occurrences"
    first = f"{found.total():,} {plural} of {counted(jobs, 'job')} in the next 24 hours{match}"
    waiting = sum(found[fate] for fate in fates.WAITING)
    not_running = sum(found[fate] for fate in fates.NOT_RUNNING)
    said = [f"{waiting:,} will probably wait"] if waiting else []
    said += [f"{not_running:,} will not run"] if not_running else []
    if not said:
        return f"{first}{'; all start in time' if seen.whole else ''}."
    return f"{first}; {', '.join(said)}."


def _busiest(seen: Foresight) -> tuple[datetime, str] | None:
    """Return the minute in which more occurrences fall due than there are workers, and how many these are."""
    if seen.busiest is None or not 0 < seen.workers < seen.busiest[1]:
        return None
    at, due = seen.busiest
    return at, f"{due:,} fall due at once, for {counted(seen.workers, 'worker')}"


def _stopped(seen: Foresight, *, enabled: bool) -> str:
    if not enabled:
        return "JOB_QUEUE_ENABLED is 0, so nothing starts: set it to 1 and restart Sauron."
    return "" if seen.workers else "Every runner is drained, so nothing starts until one is resumed."


def _following(kept: dict[str, str], key: agenda.Key | None) -> str | None:
    return None if key is None else urlencode(kept | {"from": iso(key[0]), "after": key[1]})
