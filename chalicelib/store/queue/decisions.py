"""Decisions: why a run that is due ends without starting, as SQL that both stores share, and in words.

`RULES` is the only list of them. A claim asks in its statement whether a run may start without a decision
(`starts_beside_others`, `starts_alone`); if not, it reads by its number which rule holds (`found`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, literal_column, or_, true

from chalicelib.model.faults import DEFINITION_REJECTED
from chalicelib.model.runs import RunState
from chalicelib.store.schema import job_queue, jobs

from . import overlap, pauses

_q = job_queue.c
_ZERO: ColumnElement[int] = literal_column("0")


@dataclass(frozen=True, slots=True)
class Rule:
    """A run for which `when` holds ends in `state`; the reason may name what is in its row."""

    when: ColumnElement[bool]
    state: RunState
    reason: str


_gone = or_(jobs.c.job_id.is_(None), jobs.c.removed_at.is_not(None))
_rejected = jobs.c.rejected.is_not(None)
_off = ~jobs.c.enabled
_tried = _q.attempt > _ZERO
# A run that a person asked for, not bound to a revision yet: those that may be dropped have matched before.
_not_bound = and_(_q.attempt == _ZERO, _q.revision.is_(None))
# What ends a run whatever others of its job do: for which runs, and the rules. The first that holds counts.
_WHATEVER_OTHERS_DO = (
    (
        _tried,
        Rule(_gone, RunState.FAILED, "not tried again: the job was removed from the bundle"),
        Rule(
            _rejected,
            RunState.FAILED,
            "not tried again: the job's definition was rejected ({0.rejected})",
        ),
        Rule(_off, RunState.FAILED, "not tried again: the job is disabled"),
    ),
    (
        overlap.DROPPABLE,
        Rule(_gone, RunState.SKIPPED, "the job was removed"),
        Rule(_rejected, RunState.MISSED, DEFINITION_REJECTED),
        Rule(_off, RunState.SKIPPED, "disabled"),
        Rule(pauses.stops(), RunState.SKIPPED, pauses.PAUSED),
    ),
    (
        _not_bound,
        Rule(_gone, RunState.FAILED, "job {0.job_id!r} was removed from the bundle before this run started"),
        Rule(
            _rejected,
            RunState.FAILED,
            "job {0.job_id!r} has a definition that was rejected ({0.rejected}) before this run started",
        ),
    ),
)
RULES = (
    *(replace(rule, when=and_(such, rule.when)) for such, *rules in _WHATEVER_OTHERS_DO for rule in rules),
    Rule(overlap.BUSY.is_not(None), RunState.SKIPPED, "overlap: run {0.busy} was not over"),
    Rule(overlap.NEWER.is_not(None), RunState.SKIPPED, "overlap: replaced by run {0.newer}"),
)
# What `found` needs, beside the columns of the run.
COLUMNS = (
    case(*((rule.when, literal_column(str(number))) for number, rule in enumerate(RULES))).label("rule"),
    jobs.c.rejected,
    overlap.BUSY.label("busy"),
    overlap.NEWER.label("newer"),
)

_ends_anyway = or_(*(and_(such, or_(*(rule.when for rule in rules))) for such, *rules in _WHATEVER_OTHERS_DO))
# CASE: PostgreSQL would make a condition of each rule, expect few rows, and read all jobs to join them.
_does_not_end_anyway = case((_ends_anyway, false()), else_=true())


def starts_beside_others() -> ColumnElement[bool]:
    """Say whether a claimable run may start whatever its job's other runs do."""
    return and_(overlap.needs_no_policy(), _does_not_end_anyway)


def starts_alone() -> ColumnElement[bool]:
    """Say whether a run may start, and no other of its job is to be waited for, stopped or ended.

    True only for a transaction that holds the job's lock.
    """
    return and_(_does_not_end_anyway, overlap.nothing_beside())


def found(row: Any) -> tuple[RunState, str]:
    """Return the state and the reason with which a run ends; its row has `COLUMNS`, and a `rule`."""
    rule = RULES[row.rule]
    return rule.state, rule.reason.format(row)
