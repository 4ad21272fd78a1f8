"""The supervisor: the parent of everything one attempt starts, and the end of it all.

It forks the job, tells the runner, and waits for the job's end, a command, the time limit, or the end of the
runner. Whatever the job started, daemons in sessions of their own included, becomes its child sooner or later
(it adopts orphans), so when it reports the end, nothing of the attempt is left. Time limits are kept here, by
the monotonic clock, so they hold while the runner is busy or frozen.

It forks the next job's process before anybody asks for it, and gives the runner its ends of that process's
channel and output; the process waits there to be told what to do. So an attempt starts without a fork, and
what it is to do is in no memory but its own.

A supervisor that a zygote forked serves one attempt after another, at most ATTEMPTS. It goes on only if the
runner wants that, and no child and no descriptor is left of the one before.

If it is killed, the kernel kills the job (its parent-death signal), the guard kills the rest, and the runner
sees its socket close.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time
from typing import Any, NoReturn

from sauron_jobs_loader import channel

from . import params_question, tree
from .job import become_job
from .tree_limits import Excess, Limits

ATTEMPTS = 200
"""So many attempts one supervisor serves: whatever a long life could do to it ends with it."""

LEAST_URGENT = 19

LONGEST_WAIT_SECONDS = 3600.0
"""One wait of the loop; poll counts milliseconds in 32 bits."""


def supervise_one(sha: str, requests: socket.socket) -> NoReturn:
    """Supervise the one attempt that is asked for on this socket, in an interpreter exec'd for it."""
    received = channel.receive(requests)
    requests.close()
    if received is None:
        os._exit(0)
    if params_question.is_one(received[0]):
        params_question.reply(sha, *received)
    supervise(sha, received[1][0], attempts=1)


def supervise(sha: str, control_fd: int, *, attempts: int = ATTEMPTS) -> NoReturn:
    """Run attempts to their end, at most so many and one at a time; never return."""
    try:
        os.setpgid(0, 0)
        tree.adopt_orphans()
        tree.shield()
        tree.name_process("sauron-super")
        gc.disable()
        children = tree.watch_children()
        tree.leave_output()
        _serve(sha, socket.socket(fileno=control_fd), children, attempts)
    finally:
        os._exit(1)


def _serve(sha: str, control: socket.socket, children: int, attempts: int) -> NoReturn:
    own: set[str] = set()
    for left in reversed(range(attempts)):
        supervision = _Supervision(control, children, _start(sha, control, children))
        own = own or _descriptors()
        ending = supervision.wait()
        if not ending:
            _delete(supervision.scratch)
            break
        ending["again"] = left > 0 and supervision.more and not tree.reap() and _descriptors() == own
        channel.send(control, ending)
        if not ending["again"]:
            break
    os.nice(LEAST_URGENT)  # nobody waits for this process to be gone
    os._exit(0)


def _start(sha: str, control: socket.socket, children: int) -> int:
    """Fork a job's process, give the runner its ends of its channel and output, and return its pid."""
    supervisor = os.getpid()
    link, job_link = socket.socketpair()
    output, job_output = os.pipe2(os.O_CLOEXEC)
    try:
        job = os.fork()
    except OSError as error:
        channel.send(control, {"event": "refused", "message": f"no process can be started: {error.strerror}"})
        os._exit(1)
    if job == 0:
        for sock in (control, link):
            sock.close()
        for descriptor in (children, output):
            os.close(descriptor)
        become_job(sha, job_link, output_fd=job_output, supervisor=supervisor)
    tree.lead(job)
    job_link.close()
    os.close(job_output)
    channel.send(control, {"event": "ready", "pid": job, "supervisor": supervisor}, (link.fileno(), output))
    link.close()
    os.close(output)
    return job


def _descriptors() -> set[str]:
    """Return what is open; the folder that is read has the same number at each call."""
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no pathlib in the fork


def _delete(folder: str | None) -> None:
    """Delete the temporary folder of the attempt, whose runner is gone. None: no attempt had begun."""
    import shutil

    if folder:
        shutil.rmtree(folder, ignore_errors=True)


class _Supervision:
    """The wait for the end of one job."""

    def __init__(self, control: socket.socket, children: int, job: int) -> None:
        self.scratch: str | None = None  # known once the runner watches
        self.more = True  # whether the runner wants another process made afterwards
        self._control = control
        self._children = children
        self._job = job
        self._status: int | None = None
        self._usage: Any = None
        self._deadline: float | None = None
        self._grace = 0.0
        self._ending = False
        self._patient = False
        self._timed_out = False
        self._stopped = False
        self._limits = Limits()
        self._excess: Excess | None = None

    def wait(self) -> dict[str, Any] | None:
        """Wait, end what is left, and return the report; None if the runner, its reader, is gone."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._children, select.POLLIN)
        while not self._over():
            left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
            waits = [one for one in (left, self._limits.every) if one is not None]
            for descriptor, _event in poll.poll(
                min(*waits, LONGEST_WAIT_SECONDS) * 1000 + 1 if waits else None
            ):
                if descriptor == self._children:
                    tree.empty(self._children)
                elif not self._take_order():
                    tree.kill_descendants(self._ended)
                    return None
        killed = tree.kill_descendants(self._ended)
        return self._report(len(killed - {self._job}))

    def _over(self) -> bool:
        alive = tree.reap(self._ended)
        if self._status is not None and not (self._patient and alive):
            return True
        self._excess = self._limits.exceeded()
        if self._excess is not None:
            return True
        if self._deadline is None or time.monotonic() < self._deadline:
            return False
        if self._ending:
            return True
        self._timed_out = True
        self._terminate()
        return False

    def _terminate(self) -> None:
        """Ask everything to end, and set the time until which all of it may take to do so."""
        self._ending = self._patient = True
        self._deadline = time.monotonic() + self._grace
        tree.signal_descendants(signal.SIGTERM)

    def _take_order(self) -> bool:
        """Carry out an order of the runner; return False if the runner is gone."""
        try:
            received = channel.receive(self._control)
        except (OSError, channel.ChannelError):
            return False
        if received is None:
            return False
        order = received[0]
        if order["job"] != self._job:  # sent to the attempt before, whose end crossed it on the way
            return True
        if self._patient or (self._ending and order["order"] == "limit"):
            return True
        match order["order"]:
            case "limit":
                self.scratch = order["scratch"]
                self.more = order["more"]
                self._limits = Limits.of(order)
                self._grace = order["grace"]
                self._deadline = time.monotonic() + order["seconds"]
            case "linger":
                self._ending = True
                self._deadline = time.monotonic() + order["seconds"]
            case "stop":
                self._stopped = True
                self._grace = order["grace"]
                self._terminate()
        return True

    def _ended(self, pid: int, status: int, usage: Any) -> None:
        if pid == self._job:
            self._status, self._usage = status, usage

    def _report(self, leftovers: int) -> dict[str, Any]:
        return {
            "event": "ended",
            "status": self._status,
            "leftovers": leftovers,
            "timed_out": self._timed_out,
            "stopped": self._stopped,
            "excess": self._excess,
            "max_rss_kb": self._usage.ru_maxrss if self._usage else None,
            "cpu_seconds": round(self._usage.ru_utime + self._usage.ru_stime, 6) if self._usage else None,
        }
