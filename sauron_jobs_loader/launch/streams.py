"""The streams on which a runner listens to an attempt: output, the job's channel, the supervisor's reports.

Each has one small handler, which takes what is there without waiting. What the job sends is trusted no
further than its frames: garbage on its channel counts as silence. Known secrets are masked in all it says
before anybody else sees it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

from sauron_jobs_loader import channel
from sauron_jobs_loader.masking import Masker

OnOutput = Callable[[bytes], None]
OnProgress = Callable[[float, str], None]
OnState = Callable[[str, str | None, Any], Any]
"""Serves (operation, key, value), the operation one of OPERATIONS. Raises KeyError for an unknown key."""

OPERATIONS = ("get", "set", "delete", "keys", "sauron")
"""The requests of a job: for its own durable state; of builtin jobs also what `key` names of Sauron."""

CHUNK = 1 << 16
NOTE_CHARS = 500
ERROR_CHARS = 2000
REPLIES_LIMIT = 4 * channel.FRAME_LIMIT
"""Bytes of replies that a job may leave unread before its channel is given up."""


class Stream(Protocol):
    """A non-blocking descriptor and what is done with it."""

    ended: bool
    """Whether nothing more will come."""

    def fileno(self) -> int:
        """Return the descriptor."""

    @property
    def wanted(self) -> int:
        """The events to wait for, as `select.poll` has them."""

    def take(self) -> bool:
        """Handle one chunk of what is there; return False if nothing was."""


class Listening:
    """Streams that are listened to at the same time."""

    def __init__(self, *streams: Stream) -> None:
        self._poll = select.poll()
        self._streams: dict[int, Stream] = {}
        self.add(*streams)

    def add(self, *streams: Stream) -> None:
        """Listen to these too, as far as more will come of them."""
        for stream in streams:
            if not stream.ended:
                self._streams[stream.fileno()] = stream
                self._poll.register(stream.fileno(), stream.wanted)

    def leave(self, *streams: Stream) -> None:
        """Listen to these no more."""
        for stream in streams:
            if self._streams.pop(stream.fileno(), None) is not None:
                self._poll.unregister(stream.fileno())

    def take(self, seconds: float) -> None:
        """Wait up to so long for one of them, and take a chunk of each that has one."""
        for descriptor, _event in self._poll.poll(seconds * 1000):
            stream = self._streams[descriptor]
            stream.take()
            if stream.ended:
                self.leave(stream)
            else:
                self._poll.modify(descriptor, stream.wanted)


class Output:
    """What the job prints, masked."""

    wanted = select.POLLIN

    def __init__(self, descriptor: int, masker: Masker, on_output: OnOutput) -> None:
        self.ended = False
        self._descriptor = descriptor
        self._masker = masker
        self._masked = masker.stream()
        self._on_output = on_output
        self._in_line = False

    def fileno(self) -> int:
        """Return the descriptor of the pipe."""
        return self._descriptor

    def take(self) -> bool:
        """Pass on one chunk."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return False
        self.ended = not data
        self._pass_on(self._masked.feed(data))
        return bool(data)

    def finish(self) -> None:
        """Pass on what was held back because it could have become a secret."""
        self._pass_on(self._masked.end())

    def add(self, sentence: str | None) -> None:
        """Add a line of Sauron's own at the end."""
        if sentence:
            start = "\n" if self._in_line else ""
            self._pass_on(f"{start}[sauron] {self._masker.text(sentence)}\n".encode("utf-8", "replace"))

    def _pass_on(self, clean: bytes) -> None:
        if clean:
            self._in_line = not clean.endswith(b"\n")
            self._on_output(clean)


class JobChannel:
    """What the job sends over its private channel: its result, its progress, and requests."""

    def __init__(
        self,
        link: socket.socket,
        nonce: str,
        masker: Masker,
        *,
        on_result: Callable[[], None],
        on_progress: OnProgress,
        on_state: OnState,
    ) -> None:
        """Believe only frames that carry the nonce. `on_result` is called once, for the first result."""
        self.ended = False
        self.result: dict[str, Any] | None = None
        self.became_command = False
        self._link = link
        self._nonce = nonce
        self._masker = masker
        self._on_result = on_result
        self._on_progress = on_progress
        self._on_state = on_state
        self._frames = channel.FrameReader()
        self._replies = bytearray()

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._link.fileno()

    @property
    def wanted(self) -> int:
        """Wait for room to write only while a reply waits: else every poll would return at once."""
        return select.POLLIN | (select.POLLOUT if self._replies else 0)

    def take(self) -> bool:
        """Send replies that wait, and handle one chunk of frames."""
        try:
            self._send_replies()
            data = self._link.recv(CHUNK)
            for frame in self._frames.feed(data):
                self._handle(frame)
        except BlockingIOError:
            return False
        except (OSError, channel.ChannelError):
            data = b""
        self.ended = not data or len(self._replies) > REPLIES_LIMIT
        return not self.ended

    def _send_replies(self) -> None:
        if self._replies:
            del self._replies[: self._link.send(self._replies)]

    def _handle(self, frame: dict[str, Any]) -> None:
        if frame.pop("nonce", None) != self._nonce:
            return
        match frame.pop("type", None):
            case "result" if self.result is None and isinstance(frame.get("ok"), bool):
                self.result = self._masker.value(frame)
                self._on_result()
            case "exec":
                self.became_command = True
            case "progress" if isinstance(frame.get("fraction"), int | float) and isinstance(
                frame.get("note"), str
            ):
                self._on_progress(float(frame["fraction"]), self._masker.text(frame["note"])[:NOTE_CHARS])
            case "state" if frame.get("op") in OPERATIONS:
                self._reply(frame)

    def _reply(self, frame: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"reply": frame.get("id")}
        try:
            self._refuse_secrets(frame)
            value = self._on_state(frame["op"], frame.get("key"), frame.get("value"))
            data = channel.encode(reply | {"ok": True, "value": value})
        except KeyError:
            data = channel.encode(reply | {"ok": False, "missing": True})
        except Exception as error:  # noqa: BLE001 - a store that fails is the job's error to handle, not the end of the watch
            words = f"{type(error).__name__}: {error}"[:ERROR_CHARS]
            data = channel.encode(reply | {"ok": False, "error": words})
        self._replies += data
        with contextlib.suppress(OSError):
            self._send_replies()

    def _refuse_secrets(self, frame: dict[str, Any]) -> None:
        """Keep secrets out of the store; masked they would be of no use to the job."""
        given = [frame.get("key"), frame.get("value")]
        if frame["op"] == "set" and self._masker.value(given) != given:
            raise ValueError(
                "it holds the value of a secret."
                " Keep secrets in Sauron's environment, and in the state what they open"
            )


class Reports:
    """What the supervisor reports over the control socket."""

    wanted = select.POLLIN

    def __init__(self, control: socket.socket) -> None:
        self.ended = False
        self.report: dict[str, Any] | None = None
        """The report of the attempt's end. None at the end of the stream: the supervisor was killed."""

        self._control = control

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._control.fileno()

    def take(self) -> bool:
        """Read one message, and no byte of the next: of this attempt, its end is the last."""
        try:
            received = channel.receive(self._control)
        except BlockingIOError:
            return False
        except (OSError, channel.ChannelError):
            received = None
        if received is not None and received[0]["event"] == "ended":
            self.report = received[0]
        self.ended = received is None or self.report is not None
        return not self.ended
