"""`JobContext`: the facts of a run, its secrets, its progress, and the state that a job keeps between runs.

Progress and state go over a private channel to the runner, which stores them. A run goes on if the runner
does not reply: progress is dropped, state raises StateError. Limit: only the process that the job function
runs in may use the channel, in all its threads; processes that it forks may not.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any

from . import channel
from .errors import LoaderError
from .text import storable

STATE_VALUE_LIMIT = 64 * 1024
STATE_KEY_LIMIT = 256
PROGRESS_INTERVAL_SECONDS = 0.1
NOTE_LIMIT = 2000  # more than is stored, because secrets are masked before the note is cut
PROGRESS_STEP = 0.02  # a larger step is sent at once: the next call may be much later


class StateError(LoaderError):
    """The state of a job cannot be read or written now."""


class SecretError(LoaderError, RuntimeError):
    """A job asks for a secret that it did not get. Older jobs catch it as a RuntimeError."""


class Channel:
    """The job's end of its channel: frames with the attempt's nonce. Safe to share between threads."""

    def __init__(self, sock: socket.socket, nonce: str) -> None:
        self._socket = sock
        self._nonce = nonce
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._asked = 0

    def send(self, message: dict[str, Any]) -> None:
        """Send one frame. Raises OSError or ChannelError if it cannot be sent."""
        with self._lock:
            self._send(message)

    def ask(self, operation: str, key: str | None, value: Any = None) -> Any:
        """Ask the runner about the job's state and return its reply. Raises KeyError, StateError."""
        with self._lock:
            self._asked += 1
            try:
                self._send({"type": "state", "id": self._asked, "op": operation, "key": key, "value": value})
                reply = self._reply(self._asked)
            except (OSError, channel.ChannelError) as error:
                raise StateError(
                    f"The state store does not reply: {error}. The runner may be stopping."
                ) from error
        if reply.get("missing"):
            raise KeyError(key)
        if not reply.get("ok"):
            raise StateError(f"State {operation} of {key!r} failed: {reply.get('error')}")
        return reply.get("value")

    @property
    def usable(self) -> bool:
        """Whether this process may use the channel."""
        return os.getpid() == self._owner

    def _send(self, message: dict[str, Any]) -> None:
        if not self.usable:
            raise channel.ChannelError("only the process that runs the job function can use its context")
        channel.send(self._socket, {"nonce": self._nonce, **message}, limit=channel.FRAME_LIMIT)

    def _reply(self, asked: int) -> dict[str, Any]:
        while received := channel.receive(self._socket, channel.FRAME_LIMIT):
            if received[0].get("reply") == asked:
                return received[0]
        raise channel.ChannelError("the channel is closed")


class State(MutableMapping[str, Any]):
    """A small durable store of the job: text keys, JSON values of at most 64 KiB.

    It outlives runs, syncs and restarts.
    """

    def __init__(self, link: Channel) -> None:
        self._link = link

    def __getitem__(self, key: str) -> Any:
        return self._link.ask("get", _checked_key(key))

    def __setitem__(self, key: str, value: Any) -> None:
        self._link.ask("set", _checked_key(key), _checked_value(key, value))

    def __delitem__(self, key: str) -> None:
        self._link.ask("delete", _checked_key(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._link.ask("keys", None))

    def __len__(self) -> int:
        return len(self._link.ask("keys", None))

    def set(self, key: str, value: Any) -> None:
        """Store a value; the same as `state[key] = value`."""
        self[key] = value

    def delete(self, key: str) -> None:
        """Delete a key if it exists."""
        self.pop(key, None)


_running: list[JobContext] = []
"""The context of the one job that this process runs, in a list; empty outside of jobs."""


class JobContext:
    """The one argument that a job function may take.

    `masked_names` are the environment variables whose values are secret. `parents` holds, for a run of a
    chain, run_id, state and result of each job that it followed.
    """

    def __init__(
        self,
        *,
        job_id: str,
        run_id: str,
        attempt: int,
        scheduled_for: datetime | None,
        params: Any,
        secrets: Mapping[str, str],
        link: Channel,
        masked_names: frozenset[str] = frozenset(),
        parents: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.job_id = job_id
        self.run_id = run_id
        self.attempt = attempt
        self.scheduled_for = scheduled_for
        self.params = params
        self.parents = {job_id: dict(told) for job_id, told in (parents or {}).items()}
        self.secrets: dict[str, str] = dict(secrets)
        self.masked_names = masked_names
        self.log = logging.getLogger(f"job.{job_id}")
        self.state = State(link)
        self._link = link
        self._sent, self._sent_at = -1.0, float("-inf")
        self._unsent: tuple[float, str] | None = None
        _running[:] = [self]

    def __repr__(self) -> str:
        return f"JobContext(job_id={self.job_id!r}, run_id={self.run_id!r}, attempt={self.attempt})"

    def get_secret(self, name: str, default: str | None = None) -> str | None:
        """Return a secret of this job, or the default."""
        return self.secrets.get(name, default)

    def require_secret(self, name: str) -> str:
        """Return a secret of this job. Raises SecretError with what to write if it is missing or empty."""
        if value := self.secrets.get(name):
            return value
        raise SecretError(
            f"Job {self.job_id!r} needs the secret {name!r}, which is missing. Declare it in the manifest "
            f"(JobConfig(id={self.job_id!r}, secrets=[{name!r}], "
            f"...)) and set {name} in Sauron's environment."
        )

    def progress(self, fraction: float, note: str = "") -> None:
        """Report how far the run is: 0 to 1 and a short note.

        Cheap to call often: small steps are sent at most ten times a second.
        """
        self._unsent = (min(1.0, max(0.0, float(fraction))), storable(str(note))[:NOTE_LIMIT])
        step = abs(self._unsent[0] - self._sent)
        if step >= PROGRESS_STEP or time.monotonic() - self._sent_at >= PROGRESS_INTERVAL_SECONDS:
            self.send_progress()

    def send_progress(self) -> None:
        """Send the latest progress if it was held back. Without a runner it is dropped."""
        if self._unsent is None or not self._link.usable:
            return
        fraction, note = self._unsent
        self._unsent, self._sent, self._sent_at = None, fraction, time.monotonic()
        try:
            self._link.send({"type": "progress", "fraction": fraction, "note": note})
        except (OSError, channel.ChannelError):
            self.log.debug("progress could not be sent", exc_info=True)


def running() -> JobContext | None:
    """Return the context of the job that this process runs; None outside of jobs."""
    return _running[0] if _running else None


def current() -> JobContext:
    """Return the context of the running job, in any of its threads. Raises LoaderError outside of a job."""
    if job := running():
        return job
    raise LoaderError(
        "No job runs here: state, progress and context.current() work inside a job's function. "
        "Call them there, not when the module is imported."
    )


def _checked_key(key: object) -> str:
    if not isinstance(key, str) or not 1 <= len(key) <= STATE_KEY_LIMIT:
        raise StateError(
            f"{key!r:.80} is not a valid state key: write text of 1 to {STATE_KEY_LIMIT} characters."
        )
    return key


def _checked_value(key: str, value: Any) -> Any:
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise StateError(
            f"the value for state[{key!r}] is not valid JSON ({error}): "
            "write dicts with text keys, lists, text, numbers, True, False or None."
        ) from error
    if size > STATE_VALUE_LIMIT:
        raise StateError(
            f"the value for state[{key!r}] has {size} bytes, over the limit of {STATE_VALUE_LIMIT}. "
            "Put it into a file or an object store, and its name into the state."
        )
    return value
