"""Run git so that it can be ended with all it started, in an environment of chosen variables.

Every command runs in a process group of its own under `command_guard`, with its output captured and bounded.
At the deadline the whole group is killed. When this process dies, by any signal, the guard does the same.
Nothing but git (and ssh) is needed on PATH.

Credentials go into the environment as configuration values, never into argv, a URL or a file. Neither the
machine's nor the user's git configuration is read, no hook, credential helper, prompt or submodule is used,
and only the transport of the address is allowed.
Limit: the environment of a process can be read by the same user.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sauron_jobs_loader import command_guard
from sauron_jobs_loader.bounded_output import BoundedOutput
from sauron_jobs_loader.bounded_process import BoundedProcess
from sauron_jobs_loader.errors import SourceError, SourceFault

_STDOUT_LIMIT = 4 * 1024 * 1024
_STDERR_LIMIT = 32 * 1024

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
        """Whether git succeeded."""
        return self.exit_code == 0 and not self.timed_out


def git_environment(
    *, protocols: Sequence[str] = (), config: Sequence[tuple[str, str]] = (), ssh_command: str | None = None
) -> dict[str, str]:
    """Return the whole environment of a git command. No other variable is inherited."""
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
    take: Callable[[bytes], None] | None = None,
) -> GitResult:
    """Run git until it ends or until the monotonic `deadline`.

    Raises SourceError only if git is not installed. `pass_fds` stay open in git and all its children: a lock
    passed on this way lasts as long as they do. `take` gets the output in pieces instead of the result; what
    it raises ends git.
    """
    stdout, stderr = BoundedOutput(first=_STDOUT_LIMIT), BoundedOutput(last=_STDERR_LIMIT)
    refused: list[Exception] = []

    def pass_on(data: bytes) -> None:
        if take is None:
            stdout.add(data)
        elif not refused:
            try:
                take(data)
            except Exception as error:  # noqa: BLE001 - it is raised again when git has ended
                refused.append(error)
                child.close_input()  # the guard ends the group

    with BoundedProcess(
        command_guard.guarded(["git", *arguments]),
        env=environ,
        cwd=cwd,
        on_output=pass_on,
        on_error=stderr.add,
        pass_fds=pass_fds,
    ) as child:
        timed_out = not child.follow(deadline)
        if timed_out:
            child.close_input()  # the guard ends the group; what it does not manage is done below
            child.follow(time.monotonic() + command_guard.KILL_AFTER_SECONDS)
        child.kill()
        child.drain()
    if refused:
        raise refused[0]
    if child.returncode == command_guard.NOT_FOUND and "cannot run git" in stderr.kept():
        raise SourceError(
            "git is not installed, or not on PATH; install it (Debian: apt-get install git)",
            fault=SourceFault.TOOL,
        )
    return GitResult(child.returncode, stdout.kept(), stderr.kept(), timed_out)
