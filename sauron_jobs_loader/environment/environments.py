"""Virtual environments for the requirements of bundles, each shared by all revisions with equal requirements.

An environment is named by a hash of the requirements, this Python and the platform. It is built in its final
place, because it cannot be moved, under a file lock that the installer inherits. A marker, written last, says
that it is complete. So a kill at any moment leaves no unfinished environment in use: one without a marker is
made again, or removed by the next pruning.

The packages of the bundle come first in it, Sauron's own packages after them, so a bundle may pin another
version of a library that Sauron uses too. Limits: one installation at a time; an editable install in a bundle
does not take precedence over a package of Sauron with the same name; the caller of `prune` names the
checkouts of all running runs.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import site
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from sauron_jobs_loader.errors import SourceError
from sauron_jobs_loader.file_lock import file_lock
from sauron_jobs_loader.masking import credentials_in
from sauron_jobs_loader.ownership import cure, not_readable, not_writable
from sauron_jobs_loader.removal import remove_folder

from . import requirements
from .installation import Installation, InstallLog
from .installers import commands
from .requirements import IGNORED, REQUIREMENTS, Requirements, RequirementsError

__all__ = ["Environments", "RequirementsError"]

MARKER = ".complete"
LOG_KEPT_FOR = timedelta(days=7)
_LAYOUT = "1"
_KEY = re.compile(r"[0-9a-f]{32}")
_WAIT_BEYOND = timedelta(seconds=30)  # for the lock, longer than another installation may take
_TAIL_SHOWN = 800
_LIBRARY = Path(__file__).resolve().parents[2]
_ELSEWHERE = frozenset(  # settings that would install to another place than the environment
    {"PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_PYTHON", "PIP_ROOT", "PIP_TARGET", "PIP_USER"}
    | {"UV_BREAK_SYSTEM_PACKAGES", "UV_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET"}
)
_SECRET_NAME = re.compile(r"(PASSWORD|TOKEN|SECRET)(_|$)")


class Environments:
    """The virtual environments below `root`. Safe to share between threads and processes."""

    def __init__(
        self,
        root: Path,
        *,
        environ: Mapping[str, str],
        variables: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(minutes=10),
        now: Callable[[], float] = time.time,
    ) -> None:
        """Manage the environments below `root`, without touching the disk yet.

        `environ` is the whole environment of the installer, `variables` are the values of `${NAME}` in
        requirements, `timeout` ends an installation, `now` is the wall clock in seconds.
        """
        self._root = root.absolute()
        self._environ = {name: value for name, value in environ.items() if name not in _ELSEWHERE}
        self._variables = variables or {}
        self._timeout = timeout
        self._now = now
        self._changing = threading.Lock()
        self._installing: Installation | None = None
        self._closed = False

    def key(self, folder: Path) -> str | None:
        """Return the name of the environment of a checkout, None if it needs none.

        Raises RequirementsError.
        """
        with _translated(folder, self._root):
            wanted = requirements.read(folder)
        return None if wanted is None else _key(wanted)

    def log_file(self, folder: Path) -> Path | None:
        """Return the path of the installation log of a checkout, None if nothing is installed for it.

        Raises RequirementsError.
        """
        key = self.key(folder)
        return None if key is None else self._root / f"{key}.log"

    def python(self, folder: Path) -> Path:
        """Return the interpreter to run a checkout with, once its requirements are installed.

        Raises RequirementsError with the end of the installer's output; SourceError if another process
        installs for too long.
        """
        with _translated(folder, self._root):
            wanted = requirements.read(folder)
            if wanted is None:
                return Path(sys.executable)
            home = self._root / _key(wanted)
            if not _usable(home):
                with file_lock(self._root / "install.lock", timeout=self._timeout + _WAIT_BEYOND) as lock:
                    if not _usable(home):
                        self._make(folder, wanted, home, lock)
            return home / "bin" / "python"

    def prune(self, folders: Collection[Path]) -> list[str]:
        """Remove the environments that no checkout among `folders` needs; return their names, sorted.

        Removes leftovers of crashes and old logs as well, but nothing while an installation runs. Never
        raises.
        """
        needed = set()
        for folder in folders:
            with suppress(RequirementsError):
                needed.add(self.key(folder))
        try:
            if not self._root.is_dir():
                return []
            with file_lock(self._root / "install.lock", timeout=timedelta(0)):
                return sorted(
                    entry.name
                    for entry in self._root.iterdir()
                    if self._goes(entry, needed) and _discard(entry)
                )
        except (OSError, SourceError):
            return []

    def close(self) -> None:
        """End a running installation, whose caller gets a RequirementsError, and start no other."""
        with self._changing:
            self._closed = True
            if self._installing is not None:
                self._installing.stop()

    def _goes(self, entry: Path, needed: Collection[str | None]) -> bool:
        """Return whether an entry is an environment to remove.

        Remove old logs and renamed environments at once.
        """
        if entry.suffix == ".gone":
            remove_folder(entry)
        elif entry.suffix == ".log" and entry.stem not in needed:
            with suppress(OSError):
                if self._now() - entry.stat().st_mtime > LOG_KEPT_FOR.total_seconds():
                    entry.unlink()
        return bool(_KEY.fullmatch(entry.name)) and (entry.name not in needed or not _usable(entry))

    def _make(self, folder: Path, wanted: Requirements, home: Path, lock: int) -> None:
        if home.exists() and not _discard(home):
            raise RequirementsError(
                "An unfinished environment cannot be removed: "
                + not_writable(home, "permission denied", below=self._root)
            )
        named = {name: self._variables[name] for name in wanted.variables if name in self._variables}
        secrets = [*wanted.credentials, *named.values(), *self._secrets(wanted)]
        with closing(InstallLog(home.with_suffix(".log"), secrets)) as log:
            environ = self._environ | named | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
            deadline = time.monotonic() + self._timeout.total_seconds()
            installation = Installation(log, environ=environ, deadline=deadline, lock=lock)
            with self._changing:
                if self._closed:
                    raise RequirementsError(f"{REQUIREMENTS} is not installed: Sauron is stopping.")
                self._installing = installation
            try:
                self._install(folder, wanted, home, installation, log)
            except BaseException as error:
                log.say(f"Failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
                _discard(home)
                raise
            finally:
                with self._changing:
                    self._installing = None
            log.say("Complete.")

    def _secrets(self, wanted: Requirements) -> Iterator[str]:
        """Find secrets in the installer's environment, by the names of variables and in addresses."""
        for name, value in self._environ.items():
            if name in wanted.variables or _SECRET_NAME.search(name):
                yield value
            yield from credentials_in(value)

    def _install(
        self, folder: Path, wanted: Requirements, home: Path, installation: Installation, log: InstallLog
    ) -> None:
        """Make the environment: venv, packages, Sauron's own packages, a trial import, the marker."""

        def run(command: list[str], what: str, cwd: Path = self._root) -> None:
            if code := installation.run(command, cwd=cwd):
                raise self._fault(what, code, installation, log, home)

        make, install = commands(home, self._environ)
        run(make, "its virtual environment cannot be made")
        place = folder
        if wanted.local:  # a build writes into its folder, and a checkout is never edited
            place = Path(
                shutil.copytree(
                    folder, home / "bundle", symlinks=True, ignore=shutil.ignore_patterns(*IGNORED)
                )
            )
        run(install, "correct it, or the access to its packages", place)
        if wanted.local and not wanted.editable:
            remove_folder(place)
        _add_own_packages(home)
        run(
            [str(home / "bin" / "python"), "-I", "-c", "import sauron_jobs_loader"],
            "with its packages those of Sauron cannot be imported; pin other versions",
        )
        os.sync()
        (home / MARKER).touch()

    def _fault(
        self, what: str, code: int, installation: Installation, log: InstallLog, home: Path
    ) -> RequirementsError:
        if installation.stopped:
            return RequirementsError(f"{REQUIREMENTS} is not installed: Sauron is stopping.")
        words = f"{REQUIREMENTS} cannot be installed: {what} (the installer ended with exit code {code})."
        if installation.timed_out:
            words = (
                f"{REQUIREMENTS} was not installed within {self._timeout.total_seconds():g} s, "
                "so the installer was "
                "ended. Pin versions that have wheels, or allow more time."
            )
        message = f"{words} Its log is {home.with_suffix('.log')}. The end of it:\n{log.tail[-_TAIL_SHOWN:]}"
        return RequirementsError(message, exit_code=None if installation.timed_out else code)


def _key(wanted: Requirements) -> str:
    facts = (
        _LAYOUT,
        wanted.digest,
        sys.implementation.name,
        sys.version,
        str(sysconfig.get_config_var("SOABI")),
    )
    places = (sysconfig.get_platform(), sys.base_prefix, sys.prefix, str(_LIBRARY))
    return hashlib.sha256("\0".join((*facts, *places)).encode()).hexdigest()[:32]


def _usable(home: Path) -> bool:
    return (home / MARKER).is_file() and (home / "bin" / "python").exists()


def _discard(folder: Path) -> bool:
    """Rename an environment, so that it is no longer found, and delete it. False if it cannot be renamed."""
    doomed = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.gone")
    with suppress(OSError):
        folder.rename(doomed)
        remove_folder(doomed)
        return True
    return False


def _add_own_packages(home: Path) -> None:
    """Let the environment import this interpreter's packages too, after its own, with their .pth files."""
    own = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    lines = [f"import site; site.addsitedir({place!r})" for place in own if Path(place).is_dir()]
    if str(_LIBRARY) not in own:
        lines.append(str(_LIBRARY))
    (packages,) = home.glob("lib/python*/site-packages")
    # the last in the order of .pth files
    (packages / "~sauron.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def _translated(folder: Path, root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        file = Path(error.filename or root)
        reading = error.errno == errno.EACCES and file.is_relative_to(folder)
        told = not_readable(file, error, whole=folder) if reading else cure(file, error, below=root)
        raise RequirementsError(f"{REQUIREMENTS} of {folder} cannot be installed: {told}") from error
