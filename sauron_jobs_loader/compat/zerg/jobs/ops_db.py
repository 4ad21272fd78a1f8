"""`zerg.jobs.ops_db`, as older bundles import it.

Sauron publishes every run itself, so nothing is written here.
"""

import logging
import os
from collections.abc import Coroutine, Generator
from typing import Any, NoReturn

_log = logging.getLogger(__name__)


class Reported(Coroutine[Any, Any, bool]):
    """A report that was made when it was asked for. Awaiting it returns True; it need not be awaited.

    It takes the place of a coroutine also in `asyncio.run`, `create_task` and `gather`.
    """

    def send(self, _value: object) -> NoReturn:
        """End at once, with True."""
        raise StopIteration(True)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> NoReturn:
        """Raise what a task throws into it, such as its cancellation."""
        error = value if value is not None else kind() if isinstance(kind, type) else kind
        raise error if trace is None else error.with_traceback(trace)

    def close(self) -> None:
        """Do nothing: there is nothing to end."""

    def __await__(self) -> Generator[Any, Any, bool]:
        """Return True without waiting."""
        yield from ()
        return True


def emit_job_run(*values: object, **facts: object) -> Reported:
    """Log what a job reports about its own run. Sauron records the run in any case."""
    told = [repr(value)[:200] for value in values]
    told += [f"{name}={value!r:.200}" for name, value in facts.items()]
    _log.info("job run reported by the job itself: %s", ", ".join(told))
    return Reported()


emit_job_run_fire_and_forget = emit_job_run_with_timeout = emit_job_run


def is_job_queue_db_enabled() -> bool:
    """Return whether Sauron claims runs: JOB_QUEUE_ENABLED is 1, or is not set."""
    return os.environ.get("JOB_QUEUE_ENABLED", "").strip().lower() not in {"0", "false", "no", "off"}


def get_scheduler_name() -> str:
    """Return the name under which this Sauron publishes."""
    return os.environ.get("JOB_SCHEDULER_NAME") or "sauron"


def get_job_queue_db_url() -> str | None:
    """Return DATABASE_URL, or None."""
    return os.environ.get("DATABASE_URL") or None


async def get_pool() -> NoReturn:
    """Raise NotImplementedError: there is no pool for jobs."""
    raise NotImplementedError(
        "zerg.jobs.ops_db.get_pool() has no pool to return: Sauron records every run itself. "
        "Connect to DATABASE_URL with a library of your bundle."
    )


async def close_pool() -> None:
    """Do nothing: there is no pool."""


__all__ = [
    "close_pool",
    "emit_job_run",
    "emit_job_run_fire_and_forget",
    "emit_job_run_with_timeout",
    "get_job_queue_db_url",
    "get_pool",
    "get_scheduler_name",
    "is_job_queue_db_enabled",
]
