"""The zygote: holds one revision loaded, and forks supervisors of attempts.

It loads the manifest once, sends what it defines, and then serves fork requests one at a time. A fork
copies only what is written to, so an attempt starts in milliseconds with all imports of the bundle in place.
A bundle whose loading leaves threads or open handles behind is not served from here: locks that other threads
hold would stay locked in a fork, and forks would share the handles.

If it is killed, the supervisors it forked go on under the guard; the launcher boots another zygote for the
next attempt.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from typing import Any, NoReturn

from sauron_jobs_loader import channel
from sauron_jobs_loader.errors import BootError

from . import left_open, manifest, oom_score, params_question, supervisor, surroundings, tree


def serve(sha: str, requests: socket.socket) -> NoReturn:
    """Load the bundle in the current folder, send its jobs, and fork attempts until the socket closes."""
    tree.name_process("sauron-zygote")
    oom_score.raise_to(oom_score.ZYGOTE)
    reply = _load(sha)
    _flush()
    channel.send(requests, reply)
    if reply["event"] == "booted" and not reply["left_behind"]:
        _settle()
        _fork_on_request(sha, requests)
    os._exit(0)


def _load(sha: str) -> dict[str, Any]:
    folder = os.getcwd()  # noqa: PTH109 - no pathlib in the process that is forked
    surroundings.settle(os.environ, folder)
    before = left_open.handles()
    try:
        manifest.load(folder, sha)
        manifest.prepare(folder)
    except BootError as error:
        return {"event": "refused", "message": str(error)}
    left_behind = left_open.left_since(before)
    return {
        "event": "booted",
        "left_behind": left_behind,
        "files": manifest.files(folder),
        **manifest.definitions(),
    }


def _settle() -> None:
    """Become a quiet parent: no output, no collection that would unshare memory, no zombies, no signals."""
    tree.leave_output()
    tree.shield()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.disable()
    gc.freeze()


def _fork_on_request(sha: str, requests: socket.socket) -> None:
    while True:
        try:
            received = channel.receive(requests)
        except (OSError, channel.ChannelError):
            return
        if received is None:
            return
        request, fds = received
        try:
            forked = os.fork()
        except OSError as error:
            _refuse(fds, error)
            continue
        if forked == 0:
            requests.close()
            if params_question.is_one(request):
                params_question.reply(sha, request, fds)
            supervisor.supervise(sha, fds[0])
        for descriptor in fds:
            os.close(descriptor)


def _refuse(fds: list[int], error: OSError) -> None:
    control = socket.socket(fileno=fds[0])
    with contextlib.suppress(OSError), control:
        channel.send(control, {"event": "refused", "message": f"no process can be started: {error.strerror}"})
    for descriptor in fds[1:]:
        os.close(descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
