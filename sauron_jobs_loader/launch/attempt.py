"""The runner's side of one attempt: hear its output, progress and state requests, keep its time, learn how it ended.

The end is what the supervisor reports, after it has killed what was left; the end of the output is never
waited for, because a process that escaped could hold the pipe. When the supervisor itself is killed, the
guard kills the rest before the end is answered. What the job sends is trusted no further than its frames:
garbage on its channel counts as silence. Known secrets are blotted out of all it says before anybody else
sees it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.masking import Masker

from .facts import AttemptFacts, facts_of
from .process_tree_handle import ProcessTreeHandle

OnOutput = Callable[[bytes], None]
OnProgress = Callable[[float, str], None]
OnState = Callable[[str, str | None, Any], Any]
"""Told (operation, key, value), operation being one of OPERATIONS. Raises KeyError for a key that is not there."""

OPERATIONS = ("get", "set", "delete", "keys", "sauron")
"""What a job may ask of the runner: its own durable state, and for builtin jobs what `key` names of Sauron itself."""

CHUNK = 1 << 16
NOTE_CHARS = 500
LINGER = timedelta(seconds=2)
"""How long a process may take to leave after its function returned."""

DRAIN_LIMIT = 1 << 22
REPORT_PATIENCE = timedelta(seconds=12)
"""How long after the last limit the supervisor may take to report, before it is held to be frozen and killed."""

_REPLIES_LIMIT = 4 * channel.FRAME_LIMIT


class Attempt:
    """One running attempt. `watch` it once, from one thread; `stop` it from any."""

    def __init__(
        self,
        *,
        tree: ProcessTreeHandle,
        own_tree: bool,
        nonce: str,
        control: socket.socket,
        link: socket.socket,
        output: int,
        supervisor: int,
        pid: int,
        grace: timedelta,
        report_patience: timedelta,
        masker: Masker,
        on_end: Callable[[Attempt], None],
    ) -> None:
        self.pid = pid
        self._tree = tree
        self._own_tree = own_tree
        self._nonce = nonce
        self._control = control
        self._link = link
        self._output = output
        self._supervisor = supervisor
        self._grace = grace.total_seconds()
        self._report_patience = report_patience.total_seconds()
        self._masker = masker
        self._printed = masker.stream()
        self._on_end = on_end
        self._lock = threading.Lock()
        self._over = False
        self._watched = False
        self._reason: str | None = None
        self._report: dict[str, Any] | None = None
        self._result: dict[str, Any] | None = None
        self._became_command = False
        self._heard = channel.FrameReader()
        self._reports = channel.FrameReader()
        self._replies = bytearray()
        self._deadline = float("inf")

    def stop(self, reason: str) -> None:
        """End the attempt: TERM to its whole tree, KILL after the grace. Repeats are harmless; the first reason is kept."""
        with self._lock:
            self._reason = self._reason or reason
        self._deadline = min(self._deadline, time.monotonic() + self._patience())
        self._tell({"order": "stop", "grace": self._grace})

    def abandon(self, reason: str) -> None:
        """Note why the tree is about to be killed as a whole."""
        with self._lock:
            self._reason = self._reason or reason

    def end(self) -> None:
        """Kill a spawned attempt's tree and wait until it is gone (a forked one ends with its zygote's)."""
        if self._own_tree:
            self._tree.end()
        with self._lock:
            unwatched, self._watched = not self._watched, True
        if unwatched:
            self._close()

    def watch(
        self, *, timeout: timedelta, on_output: OnOutput, on_progress: OnProgress, on_state: OnState
    ) -> AttemptFacts:
        """Wait until the attempt is over, at most about `timeout` and the grace, and return the facts about its end.

        The callbacks run in this thread. What one raises is raised here, after the attempt was ended.
        """
        with self._lock:
            if self._watched:
                return self._facts(0)  # it was ended before anybody watched
            self._watched = True
        self._tell({"order": "limit", "seconds": timeout.total_seconds(), "grace": self._grace})
        self._deadline = min(self._deadline, time.monotonic() + timeout.total_seconds() + self._patience())
        try:
            self._listen(on_output, on_progress, on_state)
            leftovers = 0 if self._report else self._sweep()
            self._drain(on_output, on_progress, on_state)
            if rest := self._printed.end():
                on_output(rest)
            return self._facts(leftovers)
        finally:
            self._close()

    def _patience(self) -> float:
        return self._grace + self._report_patience

    def _listen(self, on_output: OnOutput, on_progress: OnProgress, on_state: OnState) -> None:
        control, link = self._control.fileno(), self._link.fileno()
        poll = select.poll()
        for descriptor in (control, link, self._output):
            poll.register(descriptor, select.POLLIN)
        while True:
            poll_link = select.POLLIN | (select.POLLOUT if self._replies else 0)
            if link >= 0:
                poll.modify(link, poll_link)
            ready = dict(poll.poll(self._wait_ms()))
            if self._output in ready and not self._take_output(on_output):
                poll.unregister(self._output)
            if link in ready and not self._take_frames(on_progress, on_state):
                poll.unregister(link)
                link = -1
            if control in ready and self._take_report():
                return
            if time.monotonic() > self._deadline:  # it is frozen, or stuck on what cannot be killed
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._supervisor, signal.SIGKILL)
                self._deadline = float("inf")

    def _wait_ms(self) -> float:
        return min(max(self._deadline - time.monotonic(), 0.0) * 1000 + 1, 1000.0)

    def _take_output(self, on_output: OnOutput) -> bool:
        """Pass on one chunk; answer False at the end of the output."""
        try:
            data = os.read(self._output, CHUNK)
        except BlockingIOError:
            return True
        if clean := self._printed.feed(data):
            on_output(clean)
        return bool(data)

    def _take_frames(self, on_progress: OnProgress, on_state: OnState) -> bool:
        """Handle what the job sent; answer False when there will be no more."""
        try:
            if self._replies:
                del self._replies[: self._link.send(self._replies)]
            data = self._link.recv(CHUNK)
            if not data:
                return False
            for frame in self._heard.feed(data):
                self._heed(frame, on_progress, on_state)
        except BlockingIOError:
            return True
        except (OSError, channel.ChannelError):
            return False
        return len(self._replies) <= _REPLIES_LIMIT

    def _heed(self, frame: dict[str, Any], on_progress: OnProgress, on_state: OnState) -> None:
        if frame.pop("nonce", None) != self._nonce:
            return
        match frame.pop("type", None):
            case "result" if self._result is None and isinstance(frame.get("ok"), bool):
                self._result = self._masker.value(frame)
                self._tell({"order": "linger", "seconds": LINGER.total_seconds()})
            case "exec":
                self._became_command = True
            case "progress" if isinstance(frame.get("fraction"), int | float) and isinstance(
                frame.get("note"), str
            ):
                on_progress(float(frame["fraction"]), self._masker.text(frame["note"])[:NOTE_CHARS])
            case "state" if frame.get("op") in OPERATIONS:
                self._reply(frame, on_state)

    def _reply(self, frame: dict[str, Any], on_state: OnState) -> None:
        answer: dict[str, Any] = {"reply": frame.get("id")}
        try:
            self._refuse_secrets(frame)
            answer |= {"ok": True, "value": on_state(frame["op"], frame.get("key"), frame.get("value"))}
            data = channel.encode(answer)
        except KeyError:
            data = channel.encode(answer | {"ok": False, "missing": True})
        except Exception as error:  # noqa: BLE001 - a store that fails is the job's error to handle, not the end of the watch
            data = channel.encode(
                {"reply": frame.get("id"), "ok": False, "error": f"{type(error).__name__}: {error}"[:2000]}
            )
        self._replies += data
        with contextlib.suppress(OSError):
            del self._replies[: self._link.send(self._replies)]

    def _refuse_secrets(self, frame: dict[str, Any]) -> None:
        """Keep secrets out of the store; blotted out they would be of no use to the job."""
        kept = [frame.get("key"), frame.get("value")]
        if frame["op"] == "set" and self._masker.value(kept) != kept:
            raise ValueError(
                "it holds the value of a secret. Keep secrets in Sauron's environment, and in the state what they open"
            )

    def _take_report(self) -> bool:
        """Return whether the attempt is over: reported, or its supervisor is gone."""
        try:
            data = self._control.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        for message in self._reports.feed(data):
            if message["event"] == "started":
                self.pid = message["pid"]
            elif message["event"] == "ended":
                self._report = message
        return not data or self._report is not None

    def _sweep(self) -> int:
        if self._own_tree:
            self._tree.wait()
            return 0
        return self._tree.sweep(self._supervisor)

    def _drain(self, on_output: OnOutput, on_progress: OnProgress, on_state: OnState) -> None:
        """Take what was sent before the end and is still in the pipe and the socket; it is not waited for."""
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        taken = 0
        while taken < DRAIN_LIMIT and poll.poll(0) and self._take_output(on_output):
            taken += CHUNK
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        taken = 0
        while taken < DRAIN_LIMIT and poll.poll(0) and self._take_frames(on_progress, on_state):
            taken += CHUNK

    def _facts(self, leftovers: int) -> AttemptFacts:
        return facts_of(
            self._report,
            result=self._result,
            became_command=self._became_command,
            stop_reason=self._reason,
            leftovers=leftovers,
        )

    def _tell(self, order: dict[str, Any]) -> None:
        with self._lock, contextlib.suppress(OSError):
            if not self._over:
                channel.send(self._control, order)

    def _close(self) -> None:
        """Give up every descriptor. A supervisor that still runs ends its tree when it sees that."""
        with self._lock:
            if self._over:
                return
            self._over = True
            self._control.close()
            self._link.close()
            os.close(self._output)
        if self._own_tree:
            self._tree.end()
        self._on_end(self)
