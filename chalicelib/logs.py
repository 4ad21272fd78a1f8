"""Sauron's own log: events named `noun.verb_past` with fields, JSON lines unless a person watches a terminal.

One canonical record per run and per tick that did something; idle polling is silent. Job output goes to the
store, not here. Values of settings that are secrets are masked in every record, tracebacks included, on a
terminal as in a file. So are they in what Python itself would print: see `capture_crashes`.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from types import TracebackType
from typing import Any, TextIO

from chalicelib.text import safe
from sauron_jobs_loader.masking import Masker

# structlog takes Rich where it is installed, for tracebacks that are not printed here: 50 ms and 6 MB less.
_no_rich: dict[str, Any] = {"rich": None} if "rich" not in sys.modules else {}
sys.modules.update(_no_rich)
import structlog  # noqa: E402

for _name in _no_rich:
    del sys.modules[_name]


class MaskedHandler(logging.StreamHandler[TextIO]):
    """Writes records to a stream, and knows the values to mask in them."""

    def __init__(self, stream: TextIO, secrets: Sequence[str]) -> None:
        """Write to `stream`; mask `secrets`."""
        super().__init__(stream)
        self.secrets = tuple(secrets)
        self.masker = Masker(self.secrets)

    def add_secrets(self, secrets: Iterable[str]) -> None:
        """Mask these values too from now on."""
        self.secrets = (*self.secrets, *secrets)
        self.masker = Masker(self.secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line. A record that has none, such as "%d" of a text, is named by its place."""
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001 - a library's record may raise anything
            place = f"{record.pathname}:{record.lineno}"
            invalid = {"event": "log.record_invalid", "logger": record.name, "place": place}
            told = logging.LogRecord(record.name, logging.ERROR, place, record.lineno, "", None, None)
            told.msg = {**invalid, "level": "error", "reason": str(error)}
            told.__dict__.update(_logger=None, _name="error")  # as structlog marks its own
            return super().format(told)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Say that a record could not be written, without its values: the stream may be full or closed."""
        error = type(sys.exc_info()[1]).__name__
        with contextlib.suppress(Exception):
            sys.stderr.write(f"sauron: a log record of {record.name} could not be written ({error})\n")


def configure(level: str = "INFO", *, secrets: Sequence[str] = (), stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (default standard error)."""
    stream = stream or sys.stderr
    handler = MaskedHandler(stream, secrets)

    def mask_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        # Before rendering, because JSON escapes what a secret may hold.
        for key, value in event.items():
            if not key.startswith("_"):  # structlog's own
                event[key] = handler.masker.value(value)
        return event

    def mask_rendered(_logger: Any, _method: str, line: Any) -> str:
        # And after it, because a renderer writes out objects that were no text before.
        return handler.masker.text(line)

    def drop_control_sequences(_logger: Any, _method: str, line: Any) -> str:
        return safe(line, colours=True)  # a job's error may be in it

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
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_values,
                render,
                *([drop_control_sequences] if stream.isatty() else []),
                mask_rendered,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("waitress.queue", "alembic", "git", "botocore", "httpx", "mcp", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of what its errors say again


def get(name: str) -> Any:
    """Return the logger of a module: `log.info("run.finished", run_id=...)`."""
    return structlog.stdlib.get_logger(name)


def add_secrets(secrets: Iterable[str]) -> None:
    """Mask these values too from now on, in the log that `configure` set up."""
    for handler in _handlers():
        handler.add_secrets(secrets)


def masked(text: str) -> str:
    """Return a text with the values masked that the log masks: for what is printed beside it."""
    for handler in _handlers():
        text = handler.masker.text(text)
    return text


def _handlers() -> list[MaskedHandler]:
    return [one for one in logging.getLogger().handlers if isinstance(one, MaskedHandler)]


def capture_crashes() -> None:
    """Log what Python would print unmasked: exceptions that nothing catches, on any thread, and warnings."""
    log = get(__name__)

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("process.crashed", exc_info=(kind, error, trace))

    def thread_crashed(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.critical("thread.crashed", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    def finaliser_crashed(args: sys.UnraisableHookArgs) -> None:
        if args.exc_value is not None:
            where = getattr(args.object, "__qualname__", type(args.object).__name__)
            trace = (args.exc_type, args.exc_value, args.exc_traceback)
            log.error("finaliser.crashed", where=where, exc_info=trace)

    sys.excepthook = crashed
    threading.excepthook = thread_crashed
    sys.unraisablehook = finaliser_crashed
    logging.captureWarnings(capture=True)


def reason(error: BaseException) -> str:
    """Return why something failed, in short: a database error without its statement."""
    return str(error.__cause__ or getattr(error, "orig", None) or error)
