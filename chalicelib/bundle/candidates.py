"""Candidates for a plan or a simulation: revisions loaded beside the one in force, and folders as they lie.

A candidate costs no more than booting it once in a process of its own, which is let go of again; it activates
nothing, and changes no pin, no row and no checkout of another revision. It takes turns with syncs while it
loads, so that none deletes its files meanwhile.

Loading a revision executes its manifest, as a sync would. So only what a branch or tag of the repository
leads to is loaded: the commits of a stranger's fork, which some hosts hand out by their id, are not.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chalicelib.answers.job_set import Candidate
from chalicelib.errors import BundleError, NoBundleError
from chalicelib.settings import Settings
from chalicelib.store import Store, bundle

from .activation import Loaded, check_definitions
from .lazy_revisions import LazyRevisions

PATIENCE = timedelta(seconds=20)  # how long a sync that is under way is waited for


class LocalCandidates:
    """Loads candidates in processes of this machine."""

    def __init__(self, store: Store, settings: Settings, revisions: LazyRevisions) -> None:
        """Load with `revisions`, and compare with the active revision of `store`."""
        self._store = store
        self._settings = settings
        self._revisions = revisions

    def candidate(self, ref: str | None) -> Candidate:
        """Load a branch, tag or commit (None: the newest of the followed branch); activate nothing.

        Raises NoBundleError, UnknownRefError, and BundleError for what cannot be fetched.
        """
        if not self._settings.jobs_git_repo_url:
            raise NoBundleError
        revisions = self._revisions.get()
        sha = revisions.fetch(ref, listed=True)
        with revisions.lock(timeout=PATIENCE):
            was_there = revisions.is_checked_out(sha)
            try:
                found = candidate_of(sha, revisions.look(sha))
            except BundleError as error:
                found = Candidate(to=sha, fault=str(error))
            with self._store.read() as tx:
                base, used = bundle.state(tx).active_sha, bundle.in_use(tx)
            commits, undone = revisions.commits(base, sha)
            if not was_there and sha not in used:
                revisions.discard(sha)
        return replace(found, commits=commits, undone=undone)


def candidate_of(to: str, loaded: Loaded) -> Candidate:
    """Return what was loaded as a candidate: the definitions that can be kept, and those that cannot."""
    found = check_definitions(loaded)
    return Candidate(
        to=to,
        jobs=[dict(spec.record) for spec in found.specs.values()],
        rejected=[dict(one) for one in found.rejected],
        remarks=[dict(one) for one in loaded.remarks],
    )
