"""The claim of a run as one write that both stores make; each says of which run, and when it may.

The run gets an owner, a new generation (the fence), its revision if it has none, and one more attempt.
"""

from __future__ import annotations

from sqlalchemy import bindparam, case, func, literal_column, null, select, update

from chalicelib.model.jobs import BUILTIN
from chalicelib.model.runs import RunState
from chalicelib.store.schema import ACTIVE_SHA, job_queue, jobs, word

_q = job_queue.c
OWNER = bindparam("owner", type_=_q.lease_owner.type)
NOW = bindparam("now", type_=_q.started_at.type)

_source = select(jobs.c.source).where(jobs.c.job_id == _q.job_id).scalar_subquery()

CLAIM = (
    update(job_queue)
    .values(
        state=word(RunState.RUNNING),
        lease_owner=OWNER,
        lease_generation=_q.lease_generation + literal_column("1"),
        attempt=_q.attempt + literal_column("1"),
        revision=func.coalesce(
            _q.revision, case((_source.is_distinct_from(word(BUILTIN)), ACTIVE_SHA), else_=null())
        ),
        started_at=func.coalesce(_q.started_at, NOW),
        progress=null(),
        progress_note=null(),
        progress_at=null(),
    )
    .returning(job_queue)
)
