"""Starting an attempt under a supervisor: one that is free, or a new one that the zygote forks.

A supervisor is known by its control socket, which stays open between attempts; closing it ends the supervisor
and all below it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.errors import BootError

from .process_tree_handle import ProcessTreeHandle, TreeGoneError

START_PATIENCE = timedelta(seconds=60)

Send = Callable[[dict[str, Any], Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class Begun:
    """The runner's ends of an attempt that was started, and the processes."""

    control: socket.socket
    link: socket.socket
    output: int
    supervisor: int
    pid: int


def begin(tree: ProcessTreeHandle, request: dict[str, Any]) -> Begun:
    """Start an attempt. Raises TreeGoneError if there is no supervisor, BootError if one refuses."""
    while (free := tree.free_slot()) is not None:
        with contextlib.suppress(TreeGoneError):  # it was killed while it was free
            return _begin(free, request, functools.partial(channel.send, free))
    control, control_end = socket.socketpair()

    def ask_zygote(message: dict[str, Any], fds: Sequence[int]) -> None:
        with control_end:
            tree.send(message, (control_end.fileno(), *fds))

    return _begin(control, request, ask_zygote)


def _begin(control: socket.socket, request: dict[str, Any], send: Send) -> Begun:
    """Have the job's process started with its ends of its connections, and then tell it what to do.

    A supervisor that is killed before it has said that there is a process began nothing.
    """
    asked = channel.encode(request, channel.REPLY_LIMIT)
    link, link_end = socket.socketpair()
    output, output_end = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            send({"scratch": request["scratch"]}, (link_end.fileno(), output_end))
        except OSError as error:
            raise TreeGoneError from error
        finally:
            link_end.close()
            os.close(output_end)
        supervisor, pid = _started(control)
        link.settimeout(START_PATIENCE.total_seconds())
        with contextlib.suppress(OSError):  # watching will tell that the process has ended
            link.sendall(asked)
    except BaseException:
        control.close()
        link.close()
        os.close(output)
        raise
    for descriptor in (control.fileno(), link.fileno(), output):
        os.set_blocking(descriptor, False)
    return Begun(control, link, output, supervisor, pid)


def _started(control: socket.socket) -> tuple[int, int]:
    """Wait for the supervisor and return its pid and the job's.

    Raises TreeGoneError if nothing started, BootError if refused.
    """
    control.settimeout(START_PATIENCE.total_seconds())
    try:
        received = channel.receive(control)
    except TimeoutError as error:
        raise BootError(
            f"No process was started within {START_PATIENCE}. Is the machine out of memory?"
        ) from error
    except (OSError, channel.ChannelError):
        received = None
    if received is None:
        raise TreeGoneError
    message = received[0]
    if message["event"] == "refused":
        raise BootError(message["message"])
    return message["supervisor"], message["pid"]
