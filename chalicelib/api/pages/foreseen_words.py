"""What is foreseen of an occurrence, in words: whether it starts in time, why not, because of which run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from chalicelib.answers import fates
from chalicelib.answers.agenda import Line
from chalicelib.answers.fates import Fate
from chalicelib.answers.foreseen import Foresight
from chalicelib.answers.virtual_time import VirtualRun
from chalicelib.model.jobs import Override
from chalicelib.model.runs import RunState
from chalicelib.text import about
from chalicelib.web.zoned import Sentence

LONGEST = 300  # letters of a reason
TOLD = timedelta(minutes=1)  # a shorter jitter is not told
_MARKS = {
    Fate.OFF: "off",
    Fate.PAUSED: "off",
    Fate.REJECTED: "rejected",
    Fate.REMOVED: RunState.MISSED,
    **dict.fromkeys(fates.WAITING, RunState.QUEUED),
    **dict.fromkeys((Fate.SKIPPED, Fate.REPLACED, Fate.PARENT), RunState.SKIPPED),
}
_OF_OWN_RUN = {
    Fate.SKIPPED: "is skipped: the run before it usually still goes on",
    Fate.REPLACED: "does not start: the next one takes its place",
    Fate.ENDED: "starts, and is ended by the next one",
}


@dataclass(frozen=True, slots=True)
class Other:
    """The run because of which an occurrence does not start in time: its name, its time and its page.

    `path` is "" for a run of the same job that is still to come. `until`: the occurrence waits for its end,
    which is not known if it is `uncertain`.
    """

    name: str
    at: datetime
    path: str
    until: bool
    uncertain: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What is foreseen: the mark to draw ("" for what starts), a sentence, a person's reason, another run."""

    mark: str
    said: Sentence
    reason: str = ""
    other: Other | None = None


def words(seen: Foresight, line: Line) -> Words:
    """Return what is foreseen of the occurrences of a line."""
    mark = str(_MARKS.get(line.fate, ""))
    if line.run is not None and line.fate in fates.WAITING:
        said, about_run = _waits(seen, line, line.run)
        return Words(mark, said, other=_other(seen, about_run, line, until=True))
    if line.run is not None and line.fate in _OF_OWN_RUN:
        own = line.run.replaced_by if line.fate is Fate.ENDED else line.run.skipped_for
        said = Sentence(_OF_OWN_RUN[line.fate], ())
        if line.fate is Fate.SKIPPED and own is not None and own.uncertain:
            said = Sentence("is skipped if the run before it still goes on", ())
        return Words(mark, said, other=_other(seen, own, line, until=False))
    said, reason = _alone(seen, line)
    return Words(mark, said, reason)


def _alone(seen: Foresight, line: Line) -> tuple[Sentence, str]:
    """Return what is foreseen of occurrences that depend on no other run, and a person's reason for it."""
    job, pause, run = seen.jobs[line.job_id], seen.pause, line.run
    if line.fate is Fate.OFF:
        return _off(job.override, line)
    if line.fate is Fate.PAUSED and pause is not None:
        return _until("will not run: everything is paused by {}", pause.by, pause.until), pause.reason or ""
    if line.fate is Fate.REJECTED:
        said = Sentence("will not run: its definition is rejected: {}", ((job.rejected or "")[:LONGEST],))
    elif line.fate is Fate.REMOVED and job.removed_at is not None:
        said = Sentence("will not run: its job left the bundle {}", (job.removed_at,), seen.now)
    elif run is None:
        said = Sentence("not foreseen: too far ahead", ())
    elif line.fate is Fate.PARENT:
        said = Sentence("will not run: {}", (run.why_not or "",))
    elif run.parent is not None:
        unknown = ", and when is not known" if run.uncertain else ""
        said = Sentence("starts when {} ends{}", (run.parent.job.job_id, unknown))
    else:
        jitter = seen.now + timedelta(microseconds=run.due) - line.at
        later = f" {about(jitter.total_seconds())} later, by its jitter" if jitter >= TOLD else " at once"
        said = Sentence("starts{}", (later,))
    return said, ""


def _off(switch: Override | None, line: Line) -> tuple[Sentence, str]:
    if switch is None or switch.enabled or (switch.until is not None and switch.until <= line.at):
        return Sentence("will not run: git has enabled=False", ()), ""
    said = _until("will not run: switched off by {}", switch.by, switch.until)
    if switch.until is not None and switch.until <= line.last:
        said = Sentence(f"{said.form}, then git has enabled=False", said.parts)
    return said, switch.reason or ""


def _waits(seen: Foresight, line: Line, run: VirtualRun) -> tuple[Sentence, VirtualRun | None]:
    """Return how long an occurrence waits and why, and the run whose end lets it start."""
    if seen.workers == 0:
        return Sentence("waits: nothing is started now", ()), None
    length = "not known for how long"
    if line.longest is not None:
        length = f"{'up to' if line.count > 1 else 'about'} {about(line.longest.total_seconds())}"
    taken = "the one worker is taken" if seen.workers == 1 else f"all {seen.workers} workers are taken"
    cause = {Fate.OWN: "its runs go one after another", Fate.POOL: f"its pool {run.job.pool} is full"}
    said = Sentence(
        "waits{} {}: {}", ("," if line.longest is None else "", length, cause.get(line.fate, taken))
    )
    return said, run.waited_for if line.fate is Fate.OWN else run.let_in_by


def _other(seen: Foresight, other: VirtualRun | None, line: Line, *, until: bool) -> Other | None:
    if other is None:
        return None
    own = other.job.job_id == line.job_id
    path = f"/ui/runs/{other.stored}" if other.stored else f"/ui/jobs/{quote(other.job.job_id, safe='')}"
    at = seen.now + timedelta(microseconds=other.fire)
    return Other(
        "its run" if own else other.job.job_id,
        at,
        "" if own and not other.stored else path,
        until,
        other.uncertain,
    )


def _until(form: str, who: str | None, until: datetime | None) -> Sentence:
    by = who or "somebody"
    return Sentence(form, (by,)) if until is None else Sentence(f"{form} until {{}}", (by, until))
