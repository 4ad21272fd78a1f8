"""Everything Sauron can refuse, as one tree.

Facts are attributes, so that an API answer, a CLI line and a log record are built from the same error. The
message says what was wrong, where, and what to write instead. Expected races are return values, not errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class SauronError(Exception):
    """Base of every error that a user may see."""


class SettingsError(SauronError):
    """Settings are faulty; `faults` names each one with what to write instead."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("Settings cannot be used:\n" + "\n".join(f"  - {fault}" for fault in self.faults))


class ScheduleError(SauronError):
    """A cron expression or zone is refused; `token` is the part at fault, if one part is."""

    def __init__(self, message: str, *, expression: object, token: str | None = None) -> None:
        self.expression = expression
        self.token = token
        super().__init__(message)


class JobSpecError(SauronError):
    """A job's definition is refused by the application (the loader accepted its fields)."""

    def __init__(self, message: str, *, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(message)


class UnknownJobError(SauronError):
    """No such job in the registry. `sync_error` is why the last sync failed: it may have brought the job."""

    def __init__(self, job_id: str, known: Sequence[str] = (), *, sync_error: str | None = None) -> None:
        self.job_id = job_id
        hint = f" Did you mean {' or '.join(known)}?" if known else " `sauron list` shows the jobs there are."
        more = f" The last sync failed, so a new job may be missing: {sync_error}" if sync_error else ""
        super().__init__(f"There is no job {job_id!r}.{hint}{more}")


class RemovedJobError(UnknownJobError):
    """The job has left the registry; its runs are kept. `revision` is the one that no longer had it."""

    def __init__(self, job_id: str, removed_at: str, revision: str | None) -> None:
        self.job_id = job_id
        self.removed_at = removed_at
        self.revision = revision
        by = f" by revision {revision[:12]}" if revision else ""
        SauronError.__init__(
            self,
            f"Job {job_id!r} was removed at {removed_at}{by}. Its runs are kept: /runs?job_id={job_id}, or "
            f"`sauron runs --job {job_id}`. To have it back, define it in the bundle and sync.",
        )


class JobDisabledError(SauronError):
    """The job is off, so it cannot be triggered."""

    def __init__(self, job_id: str, why: str, *, mend: str | None = None) -> None:
        self.job_id = job_id
        super().__init__(
            f"Job {job_id!r} is disabled ({why}). {mend or f'Enable it first: `sauron enable {job_id}`.'}"
        )


class PausedError(SauronError):
    """Everything is paused, so nothing is started that is not forced."""

    def __init__(self, by: str | None, reason: str | None, until: str | None) -> None:
        who, why = f" by {by}" if by else "", f" ({reason})" if reason else ""
        super().__init__(
            f"Everything is paused{who}{why} until {until or 'somebody ends it'}. "
            "End the pause with `sauron unpause`, or force a run: `sauron run ID --force`."
        )


class ParamsError(SauronError):
    """Params of a trigger do not fit the job's schema; `faults` holds one line each."""

    def __init__(self, job_id: str, faults: Sequence[str]) -> None:
        self.job_id = job_id
        self.faults = tuple(faults)
        super().__init__(f"Params for {job_id!r} do not fit: " + "; ".join(self.faults))


class UnknownRunError(SauronError):
    """No such run in the store (it may have been pruned)."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"There is no run {run_id!r}. `sauron runs` lists those that are kept. "
            "The first letters of an id are enough, at least four."
        )


class AmbiguousRunError(SauronError):
    """Several runs have ids that begin so; `run_ids` are the newest of them."""

    def __init__(self, prefix: str, run_ids: Sequence[str], *, more: bool) -> None:
        self.run_ids = list(run_ids)
        others = ", and more" if more else ""
        super().__init__(
            f"Several runs have an id that begins with {prefix!r}: {', '.join(run_ids)}{others}. "
            "Give more of its letters."
        )


class UnknownRunnerError(SauronError):
    """No runner has this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        there = f"Known runners: {', '.join(known)}." if known else "No runner is alive."
        super().__init__(f"There is no runner {name!r}. {there}")


class RunStateError(SauronError):
    """The run is not in a state from which this can be done."""

    def __init__(self, run_id: str, state: str, wanted: str) -> None:
        self.run_id = run_id
        self.state = state
        super().__init__(f"Run {run_id} is {state}, so it cannot be {wanted}.")


class UnknownRevisionError(SauronError):
    """No revision that booted here goes by this id."""

    def __init__(self, sha: str) -> None:
        self.sha = sha
        super().__init__(
            f"No earlier revision matches {sha!r}. `sauron status` shows the active one; "
            "give at least 7 hex digits of one "
            "that was active before."
        )


class IdempotencyError(SauronError):
    """An Idempotency-Key was used before with another request."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"Idempotency-Key {key!r} was used for another request of this job. Use a new key.")


class UntilError(SauronError):
    """An override would end before it begins."""

    def __init__(self, until: str, now: str) -> None:
        self.until = until
        super().__init__(
            f"until={until} is not in the future (it is {now}). Write a later time, or leave it out."
        )


class SpanError(SauronError):
    """A time from one instant to another is empty, too long, or holds too much."""


class BudgetError(SauronError):
    """An assistant has done as many acts in an hour as SAURON_ASSISTANT_BUDGET allows."""

    def __init__(self, budget: int, again: str | None) -> None:
        self.again = again
        super().__init__(
            f"The budget of {budget} acts an hour (SAURON_ASSISTANT_BUDGET) is used up. "
            f"Try again at {again}; until then read and preview, or ask a person."
            if again
            else "SAURON_ASSISTANT_BUDGET is 0: an assistant may read and preview, not act. Ask a person."
        )


class BundleError(SauronError):
    """The bundle cannot be fetched, checked out or loaded; the message says which and what to do."""


class NoBundleError(BundleError):
    """No bundle is configured."""

    def __init__(self) -> None:
        super().__init__("No bundle is configured. Set JOBS_GIT_REPO_URL to the git repository of your jobs.")


class UnknownRefError(BundleError):
    """The repository has no branch, tag or commit of the name that a caller asked for."""


class StoreError(SauronError):
    """The store cannot be opened or is not ours."""


class DamagedStoreError(StoreError):
    """The file of the store is damaged; `newest_copy` is its newest copy that is whole, if there is one."""

    def __init__(self, path: Path, what: str, newest_copy: Path | None) -> None:
        self.path = path
        self.what = what
        self.newest_copy = newest_copy
        todo = (
            f"The newest good copy is {newest_copy}. Stop Sauron and run: sauron restore {newest_copy}"
            if newest_copy
            else "No good copy lies beside it. Stop Sauron, look for a file that `sauron backup` wrote, and "
            f"run: sauron restore FILE. Without one, move {path} away: Sauron then starts with an empty store"
        )
        super().__init__(f"The store {path} is damaged ({what}). {todo}")
