"""Every advisory lock of a PostgreSQL store, held until its transaction ends. SQLite has one writer anyway.

The ledger's lock is taken before any row is locked, and no transaction that holds a row of the queue asks for
it, so the locks cannot deadlock.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal_column, text

MIGRATION = 7235420190  # one process migrates
INCIDENTS = 7235420191  # one transaction at a time decides about incidents
LEDGER = 7235420192  # one transaction at a time changes jobs or their ledger
ALERTS = 7235420193  # one transaction at a time decides which alerts are sent next
BUDGET = 7235420194  # one transaction at a time counts the acts that a budget allows
JOB = 72354202  # with hashtext(job id): one transaction at a time decides about a job's runs
POOL = 72354203  # with hashtext(pool): one transaction at a time claims a run of a pool
CHAINS = 7235420195  # one transaction at a time asks for the children of runs that ended

_LOCK = text("SELECT pg_advisory_xact_lock(:number)")


def hold(tx: Connection, number: int) -> None:
    """Wait for a lock and hold it until the transaction ends; nothing on SQLite."""
    if tx.dialect.name == "postgresql":
        tx.execute(_LOCK, {"number": number})


def hold_ledger(tx: Connection) -> None:
    """Hold the ledger's lock in a write transaction: jobs that it reads stay as they are until it ends."""
    if tx.get_execution_options().get("write"):
        hold(tx, LEDGER)


def try_job(job_id: ColumnElement[str]) -> ColumnElement[Any]:
    """Return the condition that takes a job's lock; false, without waiting, if another transaction has it."""
    return func.pg_try_advisory_xact_lock(literal_column(str(JOB)), func.hashtext(job_id))


def try_pool(pool: ColumnElement[str]) -> ColumnElement[Any]:
    """Return the condition that takes a pool's lock; false, without waiting, if another has it."""
    return func.pg_try_advisory_xact_lock(literal_column(str(POOL)), func.hashtext(pool))
