"""Run git so that it can really be ended, in an environment that holds nothing it should not have.

Every command runs in a process group of its own under `git_guard`, with its output captured and
bounded. At the deadline the whole group is killed; when this process dies, by whatever
signal, the guard sees it and does the same. Nothing but git (and ssh) is needed on PATH.

Credentials go into the environment as configuration values, never into argv, a URL or a
file. Neither the machine's nor the user's git configuration is read, no hook, credential
helper, prompt or submodule is used, and only the transport of the address is allowed.
Limit: the environment of a process can be read by the same user.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sauron_jobs_loader import command_guard
from sauron_jobs_loader.errors import SourceError, SourceFault

_STDOUT_LIMIT = 4 * 1024 * 1024
_STDERR_LIMIT = 32 * 1024
_CHUNK = 64 * 1024
_KILL_AFTER_SECONDS = 3.0  # the guard's own second, and slack for a busy machine

_KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)

_CONFIG = (
    ("safe.directory", "*"),
    ("core.hooksPath", os.devnull),
    ("core.attributesFile", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.autocrlf", "false"),
    ("core.fsync", "committed,reference"),
    ("core.askPass", ""),
    ("credential.helper", ""),
    ("gc.autoDetach", "false"),
    ("maintenance.autoDetach", "false"),
    ("init.defaultBranch", "main"),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("transfer.bundleURI", "false"),
)


@dataclass(frozen=True, slots=True)
class GitResult:
    """How a git command ended. `stdout` keeps its head and `stderr` its tail when there is too much."""

    exit_code: int
    stdout: str
    stderr: str
    timed_out: bool

    @property
    def ok(self) -> bool:
        """Whether git did what it was asked."""
        return self.exit_code == 0 and not self.timed_out


def git_environment(
    *, protocols: Sequence[str] = (), config: Sequence[tuple[str, str]] = (), ssh_command: str | None = None
) -> dict[str, str]:
    """Return the whole environment of a git command; nothing else is inherited."""
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if "SSL_CERT_FILE" in os.environ:
        environ.setdefault("GIT_SSL_CAINFO", os.environ["SSL_CERT_FILE"])
    environ |= {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_DEFAULT_HASH": "sha1",
        "GIT_DEFAULT_REF_FORMAT": "files",
        "GIT_ALLOW_PROTOCOL": ":".join(protocols),
    }
    if ssh_command is not None:
        environ |= {"GIT_SSH_COMMAND": ssh_command, "GIT_SSH_VARIANT": "ssh"}
    pairs = (*_CONFIG, *config)
    environ["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs):
        environ[f"GIT_CONFIG_KEY_{number}"] = key
        environ[f"GIT_CONFIG_VALUE_{number}"] = value
    return environ


def run_git(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    cwd: Path,
    deadline: float,
    pass_fds: Sequence[int] = (),
) -> GitResult:
    """Run git until it ends or the monotonic `deadline`; SourceError only if git is not there at all.

    `pass_fds` are kept open by git and all its children: a lock handed on this way lasts as long as they do.
    """
    with ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", command_guard.__file__, "git", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
        stack.callback(_bury, process)
        outputs = _outputs(process)
        ended = os.pidfd_open(process.pid)
        stack.callback(os.close, ended)
        timed_out = not _follow(ended, outputs, deadline)
        if timed_out:
            _close(process.stdin)  # the guard takes it from there; what it does not manage is done below
            _follow(ended, outputs, time.monotonic() + _KILL_AFTER_SECONDS)
        _kill_group(process.pid)
        process.wait()
        for output in outputs:
            output.take_rest()
    stdout, stderr = (output.text() for output in outputs)
    if process.returncode == command_guard.NOT_FOUND and "cannot run git" in stderr:
        raise SourceError(
            "git is not installed, or not on PATH; install it (Debian: apt-get install git)",
            fault=SourceFault.TOOL,
        )
    return GitResult(process.returncode, stdout, stderr, timed_out)


@dataclass(slots=True)
class _Output:
    """What came out of one pipe: its head or its tail, never more than `limit` bytes."""

    descriptor: int
    limit: int
    keep_head: bool
    kept: bytearray

    def take(self) -> int:
        """Read what is there; 0 means that nothing more will come, -1 that nothing is there now."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return -1
        if self.keep_head:
            self.kept += chunk[: max(0, self.limit - len(self.kept))]
        else:
            self.kept += chunk
            del self.kept[: -self.limit]
        return len(chunk)

    def take_rest(self) -> None:
        """Read until nothing is there; the writers have ended, or do not matter any more."""
        while self.take() == _CHUNK:
            pass

    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")


def _outputs(process: subprocess.Popen[bytes]) -> tuple[_Output, _Output]:
    if process.stdout is None or process.stderr is None:
        raise AssertionError("both streams were asked for")
    stdout, stderr = process.stdout.fileno(), process.stderr.fileno()
    os.set_blocking(stdout, False)
    os.set_blocking(stderr, False)
    return (
        _Output(stdout, _STDOUT_LIMIT, keep_head=True, kept=bytearray()),
        _Output(stderr, _STDERR_LIMIT, keep_head=False, kept=bytearray()),
    )


def _follow(ended: int, outputs: tuple[_Output, _Output], deadline: float) -> bool:
    """Collect output until the process ended (True) or the deadline; the end of the pipes decides nothing."""
    with selectors.DefaultSelector() as selector:
        selector.register(ended, selectors.EVENT_READ)
        for output in outputs:
            selector.register(output.descriptor, selectors.EVENT_READ, output)
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.data is None:
                    return True
                if key.data.take() == 0:
                    selector.unregister(key.fileobj)
    return False


def _bury(process: subprocess.Popen[bytes]) -> None:
    """Leave no process and no open pipe behind, however `run_git` is left."""
    if process.returncode is None:
        _kill_group(process.pid)
    for stream in (process.stdin, process.stdout, process.stderr):
        _close(stream)
    process.wait()


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(BrokenPipeError):
            stream.close()
