"""Sauron's own log: events named `noun.verb_past` with fields, JSON lines unless a person watches a terminal.

One canonical record per run and per tick that did something; idle polling is silent. Job output goes to the
store, not here. Values of settings that are secrets are masked in every record, tracebacks included, on a
terminal as in a file.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping, MutableMapping, Sequence
from types import TracebackType
from typing import Any, TextIO

import structlog

from sauron_jobs_loader.masking import Masker


def configure(level: str = "INFO", *, secrets: Sequence[str] = (), stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (default standard error)."""
    stream = stream or sys.stderr
    masker = Masker(secrets)

    def mask_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        # Before rendering, because JSON escapes what a secret may hold.
        for key, value in event.items():
            if not key.startswith("_"):  # structlog's own
                event[key] = masker.value(value)
        return event

    def mask_rendered(_logger: Any, _method: str, line: Any) -> str:
        # And after it, because a renderer writes out objects that were no text before.
        return masker.text(line)

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # A plain traceback holds no local variables; a secret in its message is masked with the rest.
    render = (
        structlog.dev.ConsoleRenderer(
            pad_event_to=24, colors=True, exception_formatter=structlog.dev.plain_traceback
        )
        if stream.isatty()
        else structlog.processors.JSONRenderer(default=str)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_values,
                render,
                mask_rendered,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("waitress.queue", "alembic", "git", "botocore", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of what its errors say again


def get(name: str) -> Any:
    """Return the logger of a module: `log.info("run.finished", run_id=...)`."""
    return structlog.stdlib.get_logger(name)


def capture_crashes() -> None:
    """Log an exception that nothing catches, on any thread, instead of printing it: the log is masked."""
    log = get(__name__)

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("process.crashed", exc_info=(kind, error, trace))

    def thread_crashed(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.critical("thread.crashed", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    sys.excepthook = crashed
    threading.excepthook = thread_crashed


def reason(error: BaseException) -> str:
    """Return why something failed, in short: a database error without its statement."""
    return str(error.__cause__ or error)
