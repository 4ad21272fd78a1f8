"""What is wrong: one state machine per subject and kind, from what the store says now.

    (fine) --wrong--> open --a day without a word--> open, told again --fine, or off or gone--> ended
    One message per arrow; none begins for a job that is off.

A pass compares stored state with the open incidents and opens, ends or repeats them, each with its alerts in
the same transaction. It is derived from state, not from events: a pass that is repeated, cut off by a crash
or made by several runners at once tells nothing twice and forgets nothing, because the unique open incident
decides. It costs what is wrong or recent, not what exists.

Limit: what begins and ends between two passes is not told, but for missed occurrences, which are told by
their rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.settings import Settings
from chalicelib.store import Store, duties, incidents, run_health
from chalicelib.store import alerts as owed
from chalicelib.store.database import Tx
from chalicelib.store.incidents import Incident

from . import checks, messages
from .check_result import EVENTS, OF_RUNS, OF_SAURON, SAURON, CheckResult, Kind, Status
from .checks import Snapshot

log = logs.get(__name__)

ALERTS = "alerts"  # the duty whose time is the watermark
REMINDED = timedelta(days=1)
FIRST_LOOK = timedelta(days=1)  # how far the very first pass looks back
BATCH = 50  # subjects in one transaction
MOST_AT_ONCE = 100  # gaps of one job told in one pass

Key = tuple[str, Kind]


class _Act(Enum):
    """What a check's result asks for."""

    OPEN = auto()
    END = auto()
    RENEW = auto()  # the one that is open gives way to another of its kind
    TELL = auto()  # no channel was configured when it began
    REMIND = auto()


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass: when it looks, since when, and what it was given."""

    settings: Settings
    look: Snapshot
    channels: tuple[str, ...]

    @property
    def now(self) -> datetime:
        """When the pass looks."""
        return self.look.now


def review(
    store: Store,
    clock: Clock,
    settings: Settings,
    *,
    jobs: Collection[str] | None = None,
    free_bytes: Callable[[], int] | None = None,
) -> int:
    """Open, end and repeat incidents by how everything stands now; return how many changed.

    1. Look: since the last pass, or with `jobs` only at jobs whose runs just ended.
    2. List what to check: what is known to be wrong, and what may have become so.
    3. Check each of it without a lock; most is as it was.
    4. Bring what changed up to date, in transactions of `BATCH` subjects: check again under the lock, change
       the incident, and write its alerts with it.
    5. Remember the instant of a whole pass: the next one looks at what ended since.

    `free_bytes` returns the free space where the store lies.
    """
    now = clock.now()
    with store.read() as tx:
        if jobs is None:
            last = duties.duty(tx, ALERTS)
            since = min(last[0], now) - checks.OVERLAP if last else now - FIRST_LOOK
            look = Snapshot.whole(tx, now, settings, since=since, free_bytes=free_bytes)
        else:
            look = Snapshot.brief(tx, now, settings)
        this = _Pass(settings, look, messages.channels(settings))
        found = incidents.open_incidents(tx, subjects=jobs)
        known = {(one.subject, Kind(one.kind)): one for one in found}
        listed = _of_all(tx, look, known) if jobs is None else _of_jobs(jobs, known)
        due = [key for key in listed if _act(this, _find(tx, this, key, known.get(key)), known.get(key))]
    changed = 0
    for some in (due[i : i + BATCH] for i in range(0, len(due), BATCH)):
        with store.write() as tx:
            incidents.take_turns(tx)
            changed += sum(_settle(tx, this, key) for key in some)
    if jobs is None:
        with store.write() as tx:
            duties.duty_done(tx, ALERTS, at=now)
    return changed


def _of_jobs(jobs: Collection[str], known: Collection[Key]) -> list[Key]:
    """Return what is looked at after runs of these jobs ended."""
    opened = [key for key in known if key[1] in OF_RUNS]
    return list(dict.fromkeys([*((job_id, Kind.FAILING) for job_id in jobs), *opened]))


def _of_all(tx: Tx, look: Snapshot, known: Collection[Key]) -> list[Key]:
    """Return everything that is wrong, was so, or may have become so since the last pass."""
    new = [(SAURON, kind) for kind in OF_SAURON]
    new += [(subject, Kind.REJECTED) for subject in look.rejected]
    new += [
        (job_id, kind)
        for job_id in run_health.ended_badly(tx, look.since)
        for kind in (Kind.FAILING, Kind.MISSED)
    ]
    new += [(one.run_id, Kind.SLOW) for one in run_health.slow(tx, look.now)]
    new += [(job_id, Kind.LATE) for job_id in look.late_jobs(tx)]
    return list(dict.fromkeys([*known, *new]))


def _find(tx: Tx, this: _Pass, key: Key, known: Incident | None) -> CheckResult:
    in_full = known is None or known.told_at is None or this.now - known.told_at >= REMINDED
    found = checks.find(tx, this.look, key[0], key[1], known, in_full=in_full)
    if known is not None and found.status is Status.UNCHANGED:  # an alert about it says what is known
        return dataclasses.replace(found, reason=known.reason, run_id=known.run_id)
    return found


def _act(this: _Pass, found: CheckResult, known: Incident | None) -> _Act | None:
    """Say what a check's result asks for, beside the incident that is open."""
    if known is None:
        return _Act.OPEN if found.status is Status.WRONG else None
    if found.status in {Status.OK, Status.NOT_APPLICABLE}:
        return _Act.END
    if found.another:
        return _Act.RENEW
    if known.told_at is None:
        return _Act.TELL if this.channels else None
    repeated = Kind(known.kind) not in EVENTS and this.now - known.told_at >= REMINDED
    return _Act.REMIND if repeated else None


def _settle(tx: Tx, this: _Pass, key: Key) -> int:
    """Bring one subject and kind up to date in this transaction; return how many changes that took."""
    for count in range(MOST_AT_ONCE):
        known = incidents.open_incident(tx, *key)
        found = _find(tx, this, key, known)
        act = _act(this, found, known)
        if act is None or not _do(tx, this, key, (act, found), known):
            return count
        if act is _Act.END or key[1] is not Kind.MISSED:
            return count + 1
    return MOST_AT_ONCE


def _do(tx: Tx, this: _Pass, key: Key, change: tuple[_Act, CheckResult], known: Incident | None) -> bool:
    """Change one incident and alert; return whether it was this pass that changed it."""
    act, found = change
    if known is not None and act in {_Act.END, _Act.RENEW} and not incidents.end(tx, known, now=this.now):
        return False
    if act is _Act.END and known is not None:
        # an incident without an alert ends without one
        told = known.told_at is not None and key[1] not in EVENTS
        if told:
            _tell_end(tx, this, known, found)
        log.info("incident.ended", subject=known.subject, kind=known.kind, told=told)
        return True
    if act in {_Act.TELL, _Act.REMIND} and known is not None:
        if not incidents.told_again(tx, known, now=this.now):
            return False
        _tell(tx, this, known, found, act)
        return True
    begun = incidents.begin(
        tx,
        *key,
        reason=this.settings.masked(found.reason),
        since=found.since or this.now,
        told_at=this.now if this.channels else None,
        job_id=found.job_id,
        run_id=found.run_id,
    )
    if begun is None:
        return False
    _tell(tx, this, begun, found, act)
    log.warning("incident.opened", subject=begun.subject, kind=begun.kind, run_id=begun.run_id)
    return True


def _tell_end(tx: Tx, this: _Pass, incident: Incident, found: CheckResult) -> None:
    """Write the alert about an end, under each name by which people were told of the beginning."""
    if found.status is Status.NOT_APPLICABLE:
        found = dataclasses.replace(found, reason=f"{found.reason}; before that: {incident.reason}")
    if incident.job_id != incident.subject:
        _tell(tx, this, incident, found, _Act.END)
        return
    now = incident.subject
    for name in owed.names_told(tx, now, incident.kind, since=incident.since) or [now]:
        facts = {**found.facts, "renamed_to": now} if name != now else found.facts
        told = dataclasses.replace(incident, subject=name, job_id=name)
        _tell(tx, this, told, dataclasses.replace(found, facts=facts), _Act.END)


def _tell(tx: Tx, this: _Pass, incident: Incident, found: CheckResult, act: _Act) -> None:
    """Write the alert about a change for every channel that is configured."""
    if not this.channels:
        return
    over = act is _Act.END
    down = (found.since or this.now) - incident.since if over else None
    data = messages.compose(
        this.settings,
        incident,
        reason=found.reason,
        run_id=found.run_id,
        log_tail=run_health.log_tail(tx, found.run_id, messages.TAIL_CHARS) if found.run_id else "",
        facts=found.facts,
        reminder=act is _Act.REMIND,
        down=down,
    )
    owed.put(tx, this.channels, messages.type_of(Kind(incident.kind), over=over), data, now=this.now)
