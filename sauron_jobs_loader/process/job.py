"""The job's own process: from the supervisor's fork to the last flush.

It gets a session of its own, the output pipe, exactly its environment and one private channel, runs the
function (or becomes the command), sends one result frame and leaves. The kernel kills it if its supervisor
ends. A process that ends without a result frame has crashed, whatever its exit code; that verdict is the
runner's.
"""
# SLF001: a forked child has to call os._exit and the shutdown of threading and atexit itself
# ruff: noqa: SLF001

from __future__ import annotations

import atexit
import contextlib
import gc
import inspect
import io
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from sauron_jobs_loader import channel
from sauron_jobs_loader.context import Channel, JobContext
from sauron_jobs_loader.errors import BootError, DefinitionError
from sauron_jobs_loader.programs.cause import cause, sentence
from sauron_jobs_loader.registry import JobConfig, job_registry
from sauron_jobs_loader.text import storable

from . import manifest, oom_score, result, surroundings, termination, tree


def become_job(sha: str, link: socket.socket, *, output_fd: int, supervisor: int) -> NoReturn:
    """Wait for the runner to say on the channel what to run, and run it, in this process. Never returns."""
    code = 1
    try:
        os.setsid()
        tree.die_with_parent(supervisor)
        _settle(output_fd)
        received = channel.receive(link)
        if received is None:  # the runner is gone
            os._exit(code)
        request = received[0]
        _enter(request)
        code = _run(sha, request, Channel(link, request["nonce"]))
        _leave()
    except BaseException:  # noqa: BLE001 - nothing may return into the code of the zygote below
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _settle(output_fd: int) -> None:
    """Do what is the same for every attempt, ahead of need."""
    tree.name_process("sauron-job")
    oom_score.raise_to(oom_score.JOB)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.close(null)
    os.close(output_fd)
    _open_streams()
    gc.enable()


def _enter(request: dict[str, Any]) -> None:
    tree.unshield()
    os.chdir(request["folder"])
    os.environ.update(request["environ"])
    os.environ.update(request["secrets"])
    surroundings.settle(os.environ, request["folder"])
    surroundings.use_scratch(os.environ, request["scratch"])
    surroundings.import_from(os.environ, request["folder"])


def _open_streams() -> None:
    """Make print and logging write lines to the output pipe as they come."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        try:
            if stream.fileno() == descriptor:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        except (AttributeError, ValueError, io.UnsupportedOperation):
            fresh = os.fdopen(
                descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
            )
            setattr(sys, name, fresh)


def _run(sha: str, request: dict[str, Any], link: Channel) -> int:
    """Run the job and send its result frame; return the exit code."""
    try:
        if manifest.loaded() is None:
            manifest.load(request["folder"], sha)
            manifest.prepare(request["folder"])
        _draw_anew()
        config = job_registry.require(request["job_id"])
        context = _context(config, request, link)
    except (BootError, DefinitionError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - standard error is the run's log
        return _send(link, result.failure(str(error), type(error).__name__), 1)
    if config.command is not None:
        return _become_command(list(config.command), link)
    frame, code = _call(config, context)
    context.send_progress()
    if frame is None:
        _leave()
        _flush()
        termination.end_by_signal()
        return code
    return _send(link, frame, code)


def _draw_anew() -> None:
    """Seed the global random generators that loading used: attempts do not draw the same numbers.

    After a fork Python has done it for its own, numpy has not. In a fresh interpreter the bundle's own seed
    was just set, and would make a fresh interpreter draw what a fork does not.
    """
    for name in ("random", "numpy.random"):
        seed = getattr(sys.modules.get(name), "seed", None)
        if seed is not None:
            seed()


def _context(config: JobConfig, request: dict[str, Any], link: Channel) -> JobContext:
    params = request["params"]
    validate = getattr(config.params, "model_validate", None)
    if validate:
        try:
            params = validate(params or {})
        except Exception as error:
            raise DefinitionError(f"params do not fit the model of job {config.id!r}: {error}") from error
    moment = request["scheduled_for"]
    return JobContext(
        job_id=config.id,
        run_id=request["run_id"],
        attempt=request["attempt"],
        scheduled_for=datetime.fromisoformat(moment) if moment else None,
        params=params if validate else {**_defaults(config.params), **(params or {})},
        secrets=request["secrets"],
        parents=request.get("parents") or {},
        masked_names=frozenset(request["masked_names"]),
        link=link,
    )


def _defaults(schema: Any) -> dict[str, Any]:
    """Return what a JSON Schema says of params that are not given."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return {
        name: one["default"] for name, one in properties.items() if isinstance(one, dict) and "default" in one
    }


def _call(config: JobConfig, context: JobContext) -> tuple[dict[str, Any] | None, int]:
    """Call the function; return its result frame and the exit code. No frame: it was asked to end."""
    try:
        with termination.raised():
            value = _value(config, context)
        frame = result.returned_with(value)
        return frame, 0 if frame["ok"] else 1
    except termination.Terminated:
        return None, 0
    except SystemExit as error:
        return _exited(error.code)
    except BaseException as error:  # noqa: BLE001 - whatever a job raises is its result
        with contextlib.suppress(Exception):
            trace = result.without_own_frames(error.__traceback__)
            traceback.print_exception(type(error), error, trace)
        return result.failed(error), 1


def _value(config: JobConfig, context: JobContext) -> Any:
    func: Callable[..., Any] = config.func or _nothing
    value = func(context) if config.wants_context else func()
    if value is not None and inspect.isawaitable(value):
        import asyncio

        async def wait() -> Any:
            return await value

        return asyncio.run(wait())
    return value


def _nothing() -> None:
    """Do nothing: a job that was registered has either a command or this many lines of its own."""


def _exited(code: Any) -> tuple[dict[str, Any], int]:
    if code is None or (isinstance(code, int) and code == 0):
        return result.succeeded(None), 0
    if isinstance(code, int):
        return result.failure(f"the job called sys.exit({code})", "SystemExit"), code & 0xFF or 1
    print(code, file=sys.stderr)  # noqa: T201 - as Python itself does for sys.exit("text")
    return result.failure(storable(str(code))[:5000], "SystemExit"), 1


def _become_command(command: list[str], link: Channel) -> int:
    """Replace this process by the command. Returns only when it cannot be started."""
    folder, path = os.getcwd(), os.environ.get("PATH", os.defpath)  # noqa: PTH109 - as in manifest
    fault = None
    with contextlib.suppress(OSError, ValueError):
        fault = cause(command[0], folder=folder, path=path)
    if fault is not None and fault.begins:
        return _not_started(command[0], sentence(command[0], fault, folder), link)
    link.send({"type": "exec"})
    _flush()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; programs expect the default
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, os.environ)  # noqa: S606 - there is no shell on purpose
    except (OSError, ValueError) as error:
        why = f"{getattr(error, 'strerror', None) or error}."
        if fault is not None:
            why = sentence(command[0], fault, folder)
        if "/" not in command[0]:
            why += f" PATH is {path!r}."
        return _not_started(command[0], why, link)


def _not_started(program: str, why: str, link: Channel) -> int:
    message = f"command {program!r} cannot be started: {why}"
    print(message, file=sys.stderr)  # noqa: T201 - standard error is the run's log
    return _send(link, result.failure(message, "CommandError"), 127)


def _send(link: Channel, frame: dict[str, Any], code: int) -> int:
    """Send the result. A job that broke its channel has no result, which the runner sees."""
    with contextlib.suppress(OSError, channel.ChannelError):
        link.send({"type": "result", **frame})
    return code


def _leave() -> None:
    """Do what an interpreter does at its end: wait for threads, call what was registered."""
    _flush()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
