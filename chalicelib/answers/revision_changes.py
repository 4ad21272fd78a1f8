"""What a revision changed in the schedule when it took the place of another: the plan of the past.

It is derived from the definitions that are stored with each revision. Those of a commit do not change, so it
is derived once in a process and kept.

Limit: a revision is compared with the one before it in the order in which each was activated last. A change
of a function's code alone is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.cron.describe import describe
from chalicelib.cron.schedule import Schedule
from chalicelib.errors import ScheduleError
from chalicelib.model.jobs import in_words
from chalicelib.store import bundle
from chalicelib.store.bundle import Definitions, Revision
from chalicelib.store.database import Tx
from chalicelib.text import about

ADDED, REMOVED, CHANGED, REJECTED = "+", "\u2212", "~", "!"
MOST = 12  # changes of one revision that are listed
KEPT = 2000  # comparisons
_DAY = datetime(2026, 3, 4, tzinfo=UTC)  # a Wednesday on which no clock is changed
_UNSAID = {"id", "place", "entrypoint"}
_TIMES = ("cron", "timezone", "after")


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one job: a mark, its id, and what changed in words."""

    mark: str
    job_id: str
    what: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a revision changed: the first of the changes, and how many there are. `jobs`: how many it has."""

    listed: tuple[Change, ...]
    count: int
    jobs: int


_known: dict[tuple[Any, ...], Changes] = {}


def changes(tx: Tx, revision: Revision, before: Revision | None) -> Changes:
    """Return what a revision changed against the one before it; None: it is the first that is known."""
    key = (revision.sha, revision.booted_at, before and before.sha, before and before.booted_at)
    if key not in _known:
        after = bundle.definitions(tx, revision.sha)
        found = [] if before is None else list(compare(bundle.definitions(tx, before.sha), after))
        if len(_known) >= KEPT:
            _known.clear()
        _known[key] = Changes(tuple(found[:MOST]), len(found), len(after[0]))
    return _known[key]


def compare(before: Definitions, after: Definitions) -> Iterator[Change]:
    """Yield the changes from one revision's definitions to another's: (job records, refusals) each."""
    old = {one["id"]: one for one in before[0]}
    new = {one["id"]: one for one in after[0]}
    refused = {str(one["job_id"]): str(one["reason"]) for one in before[1]}
    for one in after[1]:
        if refused.get(str(one["job_id"])) != str(one["reason"]):
            yield Change(REJECTED, str(one["job_id"]), f"rejected: {one['reason']}")
    former = {one.get("renamed_from") for job_id, one in new.items() if job_id not in old}
    for job_id, record in sorted(new.items()):
        was = old.get(job_id)
        if was == record:
            continue
        if was is None and (name := record.get("renamed_from")) in old:
            yield Change(CHANGED, job_id, f"renamed from {name}, whose history it carries on")
        elif was is None:
            yield Change(ADDED, job_id, _schedule(record))
        elif said := ", ".join(_differences(was, record)):
            yield Change(CHANGED, job_id, said)
    rejected = {str(one["job_id"]) for one in after[1]}
    for job_id in sorted(old.keys() - new.keys() - former - rejected):
        yield Change(REMOVED, job_id, "removed; its runs stay")


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if any((was.get(name) or None) != (now.get(name) or None) for name in _TIMES):
        yield f"{_schedule(was)} \u2192 {_schedule(now)}{_more(was, now)}"
    for name in sorted((was.keys() | now.keys()) - _UNSAID - set(_TIMES)):
        old, new = was.get(name), now.get(name)
        if old == new:
            continue
        if name == "timeout_seconds":
            yield f"limit {about(old or 0)} \u2192 {about(new or 0)}"
        elif name == "enabled":
            yield "switched on in git" if new else "switched off in git"
        elif (
            isinstance(old, str | int | None) and isinstance(new, str | int | None) and name != "description"
        ):
            yield f"{name} {_word(old)} \u2192 {_word(new)}"
        else:
            yield f"{name} changed"


def _word(value: object) -> str:
    return "none" if value in (None, "") else str(value)


def _schedule(record: Mapping[str, Any]) -> str:
    cron, zone = str(record.get("cron") or ""), str(record.get("timezone") or "UTC")
    try:
        words = describe(cron, zone).removesuffix(" (UTC)") if cron else ""
    except ScheduleError:
        words = cron
    return in_words(words, record.get("after") or ())


def _more(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    try:
        old, new = (
            Schedule.parse(str(one["cron"]), str(one.get("timezone") or "UTC")).count_between(
                _DAY, _DAY + timedelta(days=1)
            )
            for one in (was, now)
        )
    except (ScheduleError, KeyError):
        return ""
    return f"; {'+' if new > old else REMOVED}{abs(new - old)} runs a day" if new != old else ""
