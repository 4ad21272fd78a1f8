"""Whether a returned value says that the job's work failed, or was not done, although nothing was raised.

A value that says so by itself counts, and so does one that is an item of a returned list. What a job returns
inside of a dict does not: its `status` decides. Any other value is success.
"""

from __future__ import annotations

import sys
import types
from functools import partial
from typing import Any, NamedTuple

from . import plain_values

ITEMS_LOOKED_AT = 1000
END_OF_OUTPUT = 500


class Fault(NamedTuple):
    """Why a returned value is a failure; `error` is the exception, if the value is or holds one."""

    message: str
    error_type: str
    error: BaseException | None = None


class _Process(NamedTuple):
    """A process that a job started: what it is, its exit code, and how its end is waited for."""

    what: Any
    code: int | None
    cure: str


def finished(value: Any) -> Any:
    """Return the result of a future that has one; any other value as it is."""
    return value.result() if _is_future(value) and value.done() and not _exception_of(value) else value


def fault(value: Any) -> Fault | None:
    """Return why a returned value is a failure, or None."""
    if found := _of(value):
        return found
    if type(value) in {list, tuple, set, frozenset}:
        for number, item in enumerate(list(value)[:ITEMS_LOOKED_AT], 1):
            if found := _of(item):
                return found._replace(message=f"item {number} of the returned values: {found.message}")
    return None


def _of(value: Any) -> Fault | None:
    if isinstance(value, BaseException):
        return Fault(f"the job returned this exception: {value!r}"[:2000], type(value).__name__, value)
    if what := _not_done(value):
        return Fault(what, "NotDone")
    if _is_future(value) and (error := _exception_of(value)):
        return Fault(f"the job returned a future that failed: {error!r}"[:2000], type(error).__name__, error)
    return _of_program(value)


_LAZY = (types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType, map, filter, zip)
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, partial)


def _not_done(value: Any) -> str | None:
    """Return the sentence about work that a value only promises, or None."""
    name, module = type(value).__name__, type(value).__module__
    if isinstance(value, _LAZY) or module == "itertools":
        cure = "write a function without yield, or return list(...)"
        cure = "write await" if isinstance(value, types.CoroutineType) else cure
        return f"the job returned a {name.replace('_', ' ')}, of which nothing has run: {cure}"
    if isinstance(value, _FUNCTIONS):
        shown = getattr(value, "__qualname__", None) or repr(value)
        return f"the job returned the function {shown}, which nobody called: write {shown}()"
    if module == "multiprocessing.pool" or (_is_future(value) and not value.done()):
        return f"the job returned a {name} whose work nobody waited for: return its result"
    if (program := _process(value)) is not None and program.code is None:
        return f"the job returned a program that still ran: {program.cure}"
    return None


def _of_program(value: Any) -> Fault | None:
    """Return a fault for the record of a program that failed; a record's own `status` wins."""
    process = _process(value)
    fields = {"args": process.what, "returncode": process.code} if process else plain_values.record(value)
    code = (fields or {}).get("returncode")
    if (
        fields is None
        or "status" in fields
        or isinstance(code, bool)
        or not isinstance(code, int)
        or not code
    ):
        return None
    what = fields.get("args") or fields.get("argv")
    program = f"the program {what!r:.200}" if what else f"the program of the returned {type(value).__name__}"
    signalled = code < 0 and (process is not None or type(value).__module__ == "subprocess")
    how = f"was ended by signal {-code}" if signalled else f"ended with code {code}"
    said = next((fields[name] for name in ("stderr", "output", "stdout") if fields.get(name)), "")
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    tail = text.strip()[-END_OF_OUTPUT:]
    return Fault(f"{program} {how}" + (f": {tail}" if tail else ""), "ExitCode")


def _process(value: Any) -> _Process | None:
    """Return what a handle of a process says about it; None for any other value."""
    if _is(value, "subprocess", "Popen"):
        return _Process(value.args, value.poll(), "call its wait(), or use subprocess.run")
    if _is(value, "asyncio.subprocess", "Process"):
        return _Process(f"pid {value.pid}", value.returncode, "await its wait()")
    if _is(value, "multiprocessing.process", "BaseProcess"):
        return _Process(value.name, value.exitcode, "call its join()")
    return None


def _is(value: Any, module: str, name: str) -> bool:
    return any(kind.__module__ == module and kind.__name__ == name for kind in type(value).__mro__)


def _is_future(value: Any) -> bool:
    futures, own = sys.modules.get("concurrent.futures"), sys.modules.get("asyncio")
    return bool((futures and isinstance(value, futures.Future)) or (own and isinstance(value, own.Future)))


def _exception_of(value: Any) -> BaseException | None:
    """Return the exception of a future that is done; that it was cancelled is one."""
    if not value.done():
        return None
    try:
        error: BaseException | None = value.exception()
    except BaseException as cancelled:  # noqa: BLE001 - of either library
        return type(cancelled)("the future was cancelled")
    return error
