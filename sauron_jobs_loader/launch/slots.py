"""Slots: supervisors that have a process ready, and starting an attempt in one of them.

A slot is known by the control socket of its supervisor, which stays open between attempts; closing it ends
the supervisor and all below it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.errors import BootError

from .process_tree_handle import ProcessTreeHandle, TreeGoneError

START_PATIENCE = timedelta(seconds=60)


class RefusedError(BootError):
    """The kernel refused a process."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The runner's ends of an attempt that was started, and the processes."""

    control: socket.socket
    link: socket.socket
    output: int
    supervisor: int
    pid: int

    def leave_job(self) -> None:
        """Give up the channel and the output of the job's process."""
        self.link.close()
        os.close(self.output)


def begin(tree: ProcessTreeHandle, request: dict[str, Any]) -> Begun:
    """Start an attempt. Raises TreeGoneError if there is no process for it, BootError if none can be made."""
    asked = channel.encode(request, channel.REPLY_LIMIT)
    begun = _ready(tree)
    try:
        begun.link.settimeout(START_PATIENCE.total_seconds())
        with contextlib.suppress(OSError):  # watching will tell that the process has ended
            begun.link.sendall(asked)
        for descriptor in (begun.control.fileno(), begun.link.fileno(), begun.output):
            os.set_blocking(descriptor, False)
    except BaseException:
        begun.leave_job()
        begun.control.close()
        raise
    return begun


def prepare(tree: ProcessTreeHandle, count: int) -> None:
    """Have so many slots made, for attempts that are soon to start. Raises TreeGoneError."""
    for _ in range(count):
        tree.give_back(_new(tree), is_new=True)


def _new(tree: ProcessTreeHandle) -> socket.socket:
    control, control_end = socket.socketpair()
    try:
        with control_end:
            tree.send({}, (control_end.fileno(),))
    except BaseException:
        control.close()
        raise
    return control


def _ready(tree: ProcessTreeHandle) -> Begun:
    """Return a slot with a live process: a free one, or a new one.

    A free one may have been killed meanwhile; one that was made ahead may have been refused its process.
    """
    while (free := tree.free_slot()) is not None:
        with contextlib.suppress(TreeGoneError, RefusedError):
            return _process(free)
    return _process(_new(tree))


def _process(control: socket.socket) -> Begun:
    """Return a slot's process. One that was killed while it waited has been replaced by its supervisor.

    Raises TreeGoneError if the supervisor is gone, BootError if it refuses.
    """
    poll = select.poll()
    poll.register(control, select.POLLIN)
    control.settimeout(START_PATIENCE.total_seconds())
    begun: Begun | None = None
    try:
        while begun is None or poll.poll(0):
            message, fds = _receive(control)
            if begun is not None:
                begun.leave_job()
            ready = message["event"] == "ready"
            begun = (
                Begun(control, socket.socket(fileno=fds[0]), fds[1], message["supervisor"], message["pid"])
                if ready
                else None
            )
    except BaseException:
        if begun is not None:
            begun.leave_job()
        control.close()
        raise
    return begun


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    try:
        received = channel.receive(control)
    except TimeoutError as error:
        raise BootError(
            f"No process was started within {START_PATIENCE}. Is the machine out of memory?"
        ) from error
    except (OSError, channel.ChannelError) as error:
        raise TreeGoneError from error
    if received is None:
        raise TreeGoneError
    if received[0]["event"] == "refused":
        raise RefusedError(received[0]["message"])
    return received
