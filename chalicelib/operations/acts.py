"""Acts of people and programs, and their recording in the audit log: the one place that every door passes.

A door begins an act (`AuditLog.begin`) and carries it out inside `AuditLog.recording`. An operation that
changes the store records the act in its own transaction (`record`), so that neither is there without the
other; every other act, and every refusal, is recorded when the block ends.

An act that has a budget and lasts longer than a transaction (a sync) counts from its beginning, so that
several at once keep to the budget; its row says so until it ends, also if it breaks off with the process.

Limits: without a budget such an act is not recorded if it breaks off. Of the refused acts of one sender at
most `MOST_REFUSED` an hour are recorded, and none that the store itself refused; the log file has the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock, iso
from chalicelib.errors import BudgetError, SauronError
from chalicelib.model.acts import Door, Outcome
from chalicelib.store import Store, audit_log, refusals
from chalicelib.store.database import Tx
from chalicelib.store.postgres import locks
from sauron_jobs_loader.masking import Masker

log = logs.get(__name__)

HOUR = timedelta(hours=1)
MOST_REFUSED = 100  # refused acts of one sender that are recorded in an hour
WHO, SUBJECT, DETAIL = 64, 255, 500  # characters
ANYBODY = "anonymous"  # while the API is open
LOCAL = "local"  # the command line on this machine
BEGUN = "it was begun, and its end is not recorded yet"


@dataclass(slots=True)
class Act:
    """One act: who does what to which subject, through which door, and why.

    `budget`: how many acts of this sender and door may be done in an hour; None: any number. `lasts`: no
    transaction records it; with a budget `begun` is then its row. `refusal` says why it was refused, once it
    is; with `unrecordable` the store itself refused it. `address` is where it came from over the network,
    `result` what it made or led to.
    """

    who: str
    door: Door
    name: str
    subject: str
    reason: str | None = None
    budget: int | None = None
    lasts: bool = False
    address: str | None = None
    begun: int | None = None
    result: dict[str, Any] | None = None
    refusal: str | None = None
    recorded: bool = False
    unrecordable: bool = False
    masked: Callable[[str], str] = field(default=str, repr=False)


_current: ContextVar[Act | None] = ContextVar("current_act", default=None)


def describe(*, reason: object = None, subject: object = None) -> None:
    """Say more of the current act, as soon as the sender's own words are read."""
    act = _current.get()
    if act is not None:
        act.reason = reason if isinstance(reason, str) and reason else act.reason
        act.subject = subject if isinstance(subject, str) and subject else act.subject


def refuse(why: str, *, error: BaseException | None = None) -> None:
    """Note that the current act came to nothing, and the `error` that it met. The first reason counts."""
    act = _current.get()
    if act is not None:
        act.refusal = act.refusal or why
        act.unrecordable = act.unrecordable or (error is not None and refusals.is_one(error))


def only_asked() -> None:
    """Note that the current act was asked about and not tried: the audit log is told nothing of it."""
    act = _current.get()
    if act is not None:
        act.recorded = True


def led_to(**result: Any) -> None:
    """Note what the current act made or led to."""
    act = _current.get()
    if act is not None:
        act.result = result


def record(tx: Tx, now: datetime, **result: Any) -> None:
    """Record the current act, if there is one, in the transaction that does it, with what it led to.

    Raises BudgetError.
    """
    act = _current.get()
    if act is not None and not act.recorded and act.begun is None:
        act.result = result or None
        _record_done(tx, act, now)


class AuditLog:
    """Records acts in one store. Safe to share between threads."""

    def __init__(
        self, store: Store, clock: Clock, *, masker: Callable[[], Masker] = lambda: Masker(())
    ) -> None:
        """Record in `store`; `masker` returns what masks secrets in requests now."""
        self._store = store
        self._clock = clock
        self._masker = masker

    def begin(
        self,
        who: str | None,
        door: Door,
        name: str,
        subject: str,
        *,
        reason: str | None = None,
        budget: int | None = None,
        lasts: bool = False,
        address: str | None = None,
    ) -> Act:
        """Return an act of somebody; None is whoever sends requests while the API is open."""
        return Act(
            who or ANYBODY,
            door,
            name,
            subject,
            reason,
            budget,
            lasts,
            address,
            masked=lambda text: self._masker().text(text),
        )

    @contextmanager
    def recording(self, act: Act) -> Iterator[Act]:
        """Carry out an act in this block: it is recorded at the latest when the block ends.

        Raises BudgetError before the block if the act's budget is used up. Any exception of the block is a
        refusal, and goes on.
        """
        token = _current.set(act)
        try:
            if act.budget is not None:
                self._admit(act)
            yield act
        except SauronError as error:
            act.refusal = act.refusal or str(error)
            raise
        except Exception as error:
            refuse(f"it failed inside Sauron ({type(error).__name__})", error=error)
            raise
        finally:
            _current.reset(token)
            if not act.recorded:
                self._record(act)

    def _admit(self, act: Act) -> None:
        if not act.lasts:
            with self._store.read() as tx:
                _require_budget(tx, act, self._clock.now())
            return
        with self._store.write() as tx:
            locks.hold(tx, locks.BUDGET)
            _require_budget(tx, act, now := self._clock.now())
            act.begun = _add(tx, act, now, Outcome.DONE, BEGUN)

    def _record(self, act: Act) -> None:
        """Record an act by itself. Where the store refuses, the log says so: the act's own end counts.

        A store that refused the act itself is not asked: whoever waited for the act would wait once more.
        """
        if act.unrecordable:
            log.warning("act.refused_by_store", who=act.who, door=act.door, act=act.name, reason=act.refusal)
            return
        try:
            with self._store.write() as tx:
                now = self._clock.now()
                if act.begun is not None:
                    audit_log.end(tx, act.begun, done=act.refusal is None, result=act.result)
                    act.recorded = act.refusal is None
                if act.recorded:
                    return
                if act.refusal is None:  # it is done, so it is recorded whatever the budget says
                    _add(tx, act, now, Outcome.DONE)
                else:
                    _record_refused(tx, act, now)
        except (SQLAlchemyError, SauronError):
            log.exception("act.record_failed", who=act.who, door=act.door, act=act.name)


def _record_done(tx: Tx, act: Act, now: datetime) -> None:
    if act.budget is not None:
        locks.hold(tx, locks.BUDGET)
        _require_budget(tx, act, now)
    _add(tx, act, now, Outcome.DONE)
    act.recorded = True


def _record_refused(tx: Tx, act: Act, now: datetime) -> None:
    past = audit_log.times(tx, who=act.who[:WHO], door=act.door, outcome=Outcome.REFUSED, since=now - HOUR)
    if len(past) < MOST_REFUSED:
        _add(tx, act, now, Outcome.REFUSED)
    log.info("act.refused", who=act.who, door=act.door, act=act.name, reason=act.refusal)


def _add(tx: Tx, act: Act, now: datetime, outcome: Outcome, detail: str | None = None) -> int:
    detail = detail or act.refusal
    return audit_log.add(
        tx,
        at=now,
        who=act.who[:WHO],
        door=act.door,
        act=act.name,
        subject=_stored(act.masked(act.subject))[:SUBJECT],
        reason=None if act.reason is None else _stored(act.masked(act.reason))[:DETAIL],
        outcome=outcome,
        detail=None if detail is None else _stored(act.masked(detail))[:DETAIL],
        address=act.address,
        result=act.result if outcome is Outcome.DONE else None,
    )


def _require_budget(tx: Tx, act: Act, now: datetime) -> None:
    if act.budget is None:
        return
    past = audit_log.times(tx, who=act.who[:WHO], door=act.door, outcome=Outcome.DONE, since=now - HOUR)
    if len(past) >= act.budget:
        again = past[-act.budget] + HOUR if act.budget else None
        raise BudgetError(act.budget, None if again is None else iso(again))


def _stored(text: str) -> str:
    """Return a text without what PostgreSQL or UTF-8 cannot store: an address may hold it."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
