"""The bundle as the rest of the application uses it: sync it, roll it back, keep its active revision loaded.

A sync that was asked for and one that is due are the same act; after each that succeeded the workers are
woken, and a runner loads the revision at once, so that its next run starts in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.answers.job_set import Candidate
from chalicelib.clock import Clock
from chalicelib.errors import BundleError, NoBundleError, UnknownRefError, UnknownRevisionError
from chalicelib.settings import Settings
from chalicelib.store import Store, bundle
from chalicelib.wakeup.waker import Waker

from .candidates import LocalCandidates
from .lazy_revisions import LazyRevisions
from .report import SyncReport
from .sync import rollback, sync

if TYPE_CHECKING:
    from .revisions import Revisions

EARLY = timedelta(seconds=30)  # a minute's clock fires a little early or late: half a minute decides


class SyncRequests(Protocol):
    """Who does a sync or rollback that a person or the assistant asks for."""

    def sync(
        self, *, ref: str | None = None, accept_removals: bool = False, by: str | None = None
    ) -> SyncReport:
        """Sync now. Without `ref` an earlier pin is let go."""

    def rollback(self, sha: str, *, by: str | None = None) -> SyncReport:
        """Activate an earlier revision and pin it. Raises UnknownRevisionError."""


class BundleService:
    """Syncs one bundle in this process."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        revisions: LazyRevisions,
        waker: Waker,
        *,
        on_preloaded: Callable[[str], None] | None,
    ) -> None:
        """Sync with `revisions`; a runner gives `on_preloaded`, which gets each revision newly loaded."""
        self._store = store
        self._clock = clock
        self._settings = settings
        self._revisions = revisions
        self._waker = waker
        self._candidates = LocalCandidates(store, settings, revisions)
        self._on_preloaded = on_preloaded

    def sync(
        self, *, ref: str | None = None, accept_removals: bool = False, by: str | None = None
    ) -> SyncReport:
        """Sync now. Without `ref` an earlier pin is let go."""
        return self._after(
            sync(self._store, self._clock, self._loader(), ref=ref, accept_removals=accept_removals, by=by)
        )

    def rollback(self, sha: str, *, by: str | None = None) -> SyncReport:
        """Activate an earlier revision and pin it. Raises UnknownRevisionError."""
        return self._after(rollback(self._store, self._clock, self._loader(), sha, by=by))

    def candidate(self, ref: str | None) -> Candidate:
        """Load a revision beside the one in force, as `LocalCandidates.candidate`."""
        return self._candidates.candidate(ref)

    def sync_if_due(self) -> SyncReport | None:
        """Sync if the interval has passed since the last try; with an interval of 0, only the first time.

        A runner whose sync is not due sees to it that the active revision is loaded.
        """
        loader = self._loader()
        if loader is None:
            return None
        with self._store.read() as tx:
            state = bundle.state(tx)
        interval = self._settings.refresh_interval
        early = state.tried_at is not None and self._clock.now() - state.tried_at < interval - EARLY
        if state.active_sha and (early or not interval):
            self._preload(state.active_sha)
            return None
        return self._after(sync(self._store, self._clock, loader, follow_pin=True))

    def sync_pushed(self) -> SyncReport:
        """Sync because of a push. A pin stays."""
        return self._after(sync(self._store, self._clock, self._loader(), follow_pin=True, by="a push"))

    def serve(self, detail: Mapping[str, Any]) -> dict[str, Any]:
        """Do what another function asks of the sync function, and return what comes of it as JSON."""
        try:
            return asdict(self._served(detail))
        except UnknownRefError as error:
            return {"unknown_ref": str(error)}
        except UnknownRevisionError as error:
            return {"unknown_revision": error.sha}
        except NoBundleError:
            return {"no_bundle": True}
        except BundleError as error:
            if detail["act"] != "candidate":
                raise
            return {"failed": str(error)}

    def _served(self, detail: Mapping[str, Any]) -> SyncReport | Candidate:
        act, by, ref = detail["act"], detail.get("by"), detail.get("ref")
        if act == "candidate":
            return self._candidates.candidate(ref)
        if act == "rollback":
            return self.rollback(detail["sha"], by=by)
        if act == "push":
            return self.sync_pushed()
        return self.sync(ref=ref, accept_removals=bool(detail.get("accept_removals")), by=by)

    def _loader(self) -> Revisions | None:
        return self._revisions.get() if self._settings.jobs_git_repo_url else None

    def _after(self, report: SyncReport) -> SyncReport:
        if report.success:
            self._waker.wake()
            if report.sha:
                self._preload(report.sha)
        return report

    def _preload(self, sha: str) -> None:
        if self._on_preloaded is None:
            return
        revisions = self._revisions.get()
        before = revisions.preloaded
        revisions.preload(sha)
        if revisions.preloaded is not None and revisions.preloaded != before:
            self._on_preloaded(revisions.preloaded)
