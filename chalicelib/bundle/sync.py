"""The sync: fetch the bundle, load its newest revision, compare, activate. All or nothing per revision.

What cannot be fetched or loaded changes nothing: the last good revision stays active and the reason is
recorded. A manifest that removes most of the jobs is held until someone confirms it. Two processes that sync
at once take turns; of two machines, the later one begins again, so that an older revision never replaces a
newer one.

After a crash the former revision is active, or the new one: activation is one transaction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.errors import BundleError, UnknownRefError, UnknownRevisionError
from chalicelib.model.faults import FETCH, HELD, LOAD
from chalicelib.store import Store, bundle, ledger, outbox

from .activation import Loaded, activate, check_definitions, why_held
from .report import SyncReport

log = logs.get(__name__)

SHORTEST_ID = 7  # characters of a commit id, git's own shortest form


class Loader(Protocol):
    """Where revisions come from. Every method raises BundleError with what was wrong and what to do.

    `fetch` raises UnknownRefError for a name that the caller gave and that is not there.
    """

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from syncing meanwhile."""

    def fetch(self, ref: str | None) -> str:
        """Fetch a branch, tag or commit (None: the configured branch) and return its full commit id."""

    @property
    def followed(self) -> str | None:
        """The branch that syncs follow, as far as the last fetch found out."""

    def load(self, sha: str) -> Loaded:
        """Check a revision out and boot it."""

    def retire(self, keep: Collection[str]) -> None:
        """Let go of the processes and checkouts of revisions that are not in `keep`."""


class _HeldError(BundleError):
    """A revision would remove most of the jobs and that was not confirmed."""


class _LoadError(BundleError):
    """A revision was fetched and does not load."""


def sync(
    store: Store,
    clock: Clock,
    loader: Loader | None,
    *,
    ref: str | None = None,
    follow_pin: bool = False,
    accept_removals: bool = False,
    by: str | None = None,
) -> SyncReport:
    """Bring the bundle to its newest revision, or to `ref` and pin it there.

    1. Without `ref`, note that a sync was tried; an earlier pin is let go, unless `follow_pin` says to stay
       with it (the scheduled sync).
    2. Fetch. A revision that is active already is done with.
    3. Load it, unless that fails.
    4. Activate it, unless it would remove most jobs and `accept_removals` is not set. If another machine
       activated a revision meanwhile, begin again at 2: what was fetched here may be older.

    A failure, expected or not, is recorded with the step it came from, and changes nothing else. A `ref` that
    is not there is the caller's mistake: only the report says so.
    """
    if loader is None:
        return SyncReport(
            False, "No bundle is configured. Set JOBS_GIT_REPO_URL to the git repository of your jobs."
        )
    if ref is None:
        with store.write() as tx:
            bundle.change(tx, tried_at=clock.now(), **({} if follow_pin else {"pinned_ref": None}))
    try:
        with _locked(loader):
            report = None
            while report is None:
                with store.read() as tx:
                    state = bundle.state(tx)
                pin = ref or (state.pinned_ref if follow_pin else None)
                with _unexpected("fetching the bundle"):
                    sha = loader.fetch(pin)
                if ref is not None:
                    with store.write() as tx:
                        bundle.change(tx, tried_at=clock.now())
                if sha == state.active_sha:
                    return _unchanged(store, clock, loader, sha, pin)
                report = _load_and_activate(
                    store, clock, loader, sha, pin=pin, confirmed=accept_removals, replaces=state.active_sha
                )
    except BundleError as error:
        report = SyncReport(False, str(error), _active(store), fault=_fault(error))
        if ref is not None and isinstance(error, UnknownRefError):
            log.info("sync.refused", reason=report.message, by=by)
            return replace(report, fault=None)
        tried = {"tried_at": clock.now()} if ref is not None else {}
        _record_failure(store, clock, report, **tried, **_branch(loader))
    _log(report, by)
    return report


def rollback(
    store: Store, clock: Clock, loader: Loader | None, sha: str, *, by: str | None = None
) -> SyncReport:
    """Activate an earlier revision, named by its id or the beginning of it, and pin it.

    Raises UnknownRevisionError.
    """
    with store.read() as tx:
        found = bundle.find_revisions(tx, sha.lower()) if len(sha) >= SHORTEST_ID else []
    if len(found) != 1 or loader is None:
        raise UnknownRevisionError(sha)
    (wanted,) = found
    try:
        with _locked(loader):
            report = None
            while report is None:
                active = _active(store)
                report = _load_and_activate(
                    store, clock, loader, wanted.sha, pin=wanted.sha, confirmed=True, replaces=active
                )
    except BundleError as error:
        report = SyncReport(False, str(error), _active(store))
    _log(report, by)
    return report


@contextlib.contextmanager
def _locked(loader: Loader) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        with _unexpected("waiting for other syncs"):
            held.enter_context(loader.lock())
        yield


@contextlib.contextmanager
def _unexpected(doing: str) -> Iterator[None]:
    """Turn every exception into BundleError: whatever a bundle holds, its sync fails in words."""
    try:
        yield
    except BundleError:
        raise
    except Exception as error:
        log.exception("sync.internal_error", doing=doing)
        raise BundleError(
            f"Something unexpected went wrong while {doing} ({type(error).__name__}). "
            "Sauron's log has the details."
        ) from error


def _fault(error: BundleError) -> str:
    return HELD if isinstance(error, _HeldError) else LOAD if isinstance(error, _LoadError) else FETCH


def _unchanged(store: Store, clock: Clock, loader: Loader, sha: str, pin: str | None) -> SyncReport:
    with store.write() as tx:
        now = clock.now()
        bundle.change(tx, **_success_columns(now, loader), pinned_ref=pin)
        outbox.put_jobs(tx, now=now)
        remarks = bundle.state(tx).remarks
    return SyncReport(True, f"Already at {sha[:12]}.", sha, remarks=remarks, unchanged=True)


def _load_and_activate(
    store: Store,
    clock: Clock,
    loader: Loader,
    sha: str,
    *,
    pin: str | None,
    confirmed: bool,
    replaces: str | None,
) -> SyncReport | None:
    """Activate a revision in place of `replaces`; return None if that is no longer the active one.

    Raises _LoadError, and _HeldError unless `confirmed`.
    """
    try:
        with _unexpected("loading the bundle"):
            loaded = loader.load(sha)
            found = check_definitions(loaded)
    except BundleError as error:
        raise _LoadError(str(error)) from error
    with store.write() as tx:
        now = ledger.time_of_act(tx, clock)
        if bundle.state(tx).active_sha != replaces:
            return None
        if not confirmed and (why := why_held(tx, sha, found)):
            raise _HeldError(why)
        records = [spec.record for spec in found.specs.values()]
        bundle.add_revision(
            tx,
            sha,
            records,
            found.rejected,
            remarks=loaded.remarks,
            subject=loaded.subject,
            author=loaded.author,
            authored_at=loaded.authored_at,
            now=now,
        )
        report = activate(tx, found, sha, now=now)
        bundle.mark_activated(tx, sha, now=now)
        bundle.change(tx, active_sha=sha, pinned_ref=pin, **_success_columns(now, loader))
        outbox.put_jobs(tx, now=now)
        keep = bundle.in_use(tx)
    try:
        loader.retire(keep)
    except Exception:  # the revision is active; what could not be removed now is removed by a later sync
        log.exception("revisions.retire_failed", sha=sha)
    return replace(report, remarks=tuple(loaded.remarks))


def _active(store: Store) -> str | None:
    with store.read() as tx:
        return bundle.state(tx).active_sha


def _success_columns(now: datetime, loader: Loader) -> dict[str, Any]:
    """Return the columns to store after a successful sync."""
    fine = {"fault": None, "fault_count": 0, "failing_since": None}
    return {"last_sync": now, "last_error": None, "consecutive_failures": 0, **fine, **_branch(loader)}


def _branch(loader: Loader) -> dict[str, Any]:
    return {} if loader.followed is None else {"branch": loader.followed}


def _record_failure(store: Store, clock: Clock, report: SyncReport, **columns: Any) -> None:
    with store.write() as tx:
        state = bundle.state(tx)
        same = state.fault == report.fault
        bundle.change(
            tx,
            last_error=report.message,
            **columns,
            consecutive_failures=state.consecutive_failures + 1,
            fault=report.fault,
            fault_count=state.fault_count + 1 if same else 1,
            failing_since=(state.failing_since if same else None) or clock.now(),
        )


def _log(report: SyncReport, by: str | None) -> None:
    if report.success:
        log.info(
            "bundle.activated",
            sha=report.sha,
            added=list(report.jobs_added),
            removed=list(report.jobs_removed),
            rescheduled=list(report.jobs_rescheduled),
            by=by,
        )
        for remark in report.remarks:
            log.warning("bundle.remarked", sha=report.sha, remark=remark)
    else:
        log.error("bundle.sync_failed", reason=report.message, by=by)
