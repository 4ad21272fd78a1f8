"""What a silence of the tick means for occurrences that were queued ahead, as SQL that both stores share.

After downtime the next tick takes back what was queued before it, so no fresh occurrence is claimed until
then. A shorter silence matters to jobs with `catchup="none"` alone: the next tick records as missed what is
later than on time, so such an occurrence is not claimed until then either. What waits because its job is
busy is not late.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, exists, false, func, or_, select, update

from chalicelib.model.jobs import Catchup
from chalicelib.model.liveness import DOWNTIME
from chalicelib.model.occurrences import ON_TIME
from chalicelib.model.runs import Origin, RunState
from chalicelib.store.database import Tx
from chalicelib.store.duties import TICK
from chalicelib.store.schema import QUEUED, duties, job_queue, jobs, word

from . import overlap, pools

QUIET = ON_TIME + timedelta(seconds=5)  # a tick comes once a minute; after more than this one was missing

_q = job_queue.c
_other = job_queue.alias("other")
_o = _other.c
_AT = duties.c.at.type


def _no_tick_since(name: str) -> ColumnElement[bool]:
    return exists().where(duties.c.name == word(TICK), duties.c.at < bindparam(name, type_=_AT))


def settled() -> ColumnElement[bool]:
    """Say whether no tick has to decide about a run first; its parameters are `instants`."""
    # The text only spares reading the record: a job that has it elsewhere waits for the next tick as well.
    without = func.replace(jobs.c.record, word('"catchup": "none"'), word(""))
    no_catchup = func.coalesce(without != jobs.c.record, false())
    late = and_(_q.due_at < bindparam("on_time", type_=_q.due_at.type), no_catchup)
    return or_(
        ~overlap.FRESH,
        and_(~_no_tick_since("silent"), or_(~_no_tick_since("quiet"), ~late)),
    )


def instants(now: datetime) -> dict[str, datetime]:
    """Return the parameters of `settled`."""
    return {"silent": now - DOWNTIME, "quiet": now - QUIET, "on_time": now - ON_TIME}


_begun_before = exists().where(
    _o.job_id == _q.job_id, _o.id != _q.id, _o.started_at.is_not(None), _o.due_at <= _q.due_at
)
_over_its_time = or_(*(_begun_before.where(one) for one in overlap.not_over(_o, _q.due_at)))
_late = select(_q.id, _q.job_id).where(
    _q.state == QUEUED,
    overlap.FRESH,
    _q.origin == word(Origin.SCHEDULE),
    _q.due_at < bindparam("on_time", type_=_q.due_at.type),
    ~_over_its_time,
    ~and_(_q.pool.is_not(None), pools.has_waited()),
)
_miss = (
    update(job_queue)
    .where(_q.id == bindparam("run"), _q.state == QUEUED)
    .values(state=RunState.MISSED, reason=bindparam("why"), finished_at=bindparam("now"))
)


def late(tx: Tx, *, now: datetime) -> list[tuple[str, str]]:
    """Return fresh occurrences that are later than on time and wait for nothing: (run, job)."""
    return [(row.id, row.job_id) for row in tx.execute(_late, {"on_time": now - ON_TIME})]


def miss(tx: Tx, run_id: str, catchup: Catchup, *, now: datetime) -> None:
    """Record a queued occurrence as missed, as the job's catch-up policy wants it."""
    why = f"its time passed while Sauron was not running (catchup={catchup})"
    tx.execute(_miss, {"run": run_id, "why": why, "now": now})
