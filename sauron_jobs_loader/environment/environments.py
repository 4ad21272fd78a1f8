"""A bundle's requirements.txt -> a virtual environment, made once and shared by all revisions that ask for the same.

An environment is named by a hash of the requirements, this Python and the platform. It is built in its own
place, because it cannot be moved, under a file lock that the installer inherits; a marker written last makes
it one that may be used. So a kill at any moment leaves nothing half-made in use: what has no marker is made
anew, or removed by the next pruning.

The bundle's packages come first in it, Sauron's own packages after them, so a bundle may pin another version
of a library that Sauron has too. Limits: one installation at a time; an editable install in a bundle does not
win over a package of Sauron's with the same name; whoever prunes names the checkouts of all runs that still
go on.
"""

from __future__ import annotations

import hashlib
import importlib.util
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

from . import requirements
from .installation import Installation, InstallLog
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
        """Return the environments at `root`; `environ` is all that the installer gets, `timeout` ends an installation."""
        self._root = root.absolute()
        self._environ = {name: value for name, value in environ.items() if name not in _ELSEWHERE}
        self._variables = variables or {}
        self._timeout = timeout
        self._now = now
        self._changing = threading.Lock()
        self._installing: Installation | None = None
        self._closed = False

    def key(self, folder: Path) -> str | None:
        """Return the name of the environment that a checkout needs; None if it needs none. Raises RequirementsError."""
        with _translated(folder):
            wanted = requirements.read(folder)
        return None if wanted is None else _key(wanted)

    def log_file(self, folder: Path) -> Path | None:
        """Return where the log of a checkout's installation is, or will be; None if it needs none. Raises RequirementsError."""
        key = self.key(folder)
        return None if key is None else self._root / f"{key}.log"

    def python(self, folder: Path) -> Path:
        """Return the interpreter to run a checkout with, once its requirements are installed.

        Raises RequirementsError with the end of what the installer said; SourceError when another process
        installs for too long.
        """
        with _translated(folder):
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
        """Remove the environments that no checkout among `folders` needs; return the removed ones, sorted.

        What a crash left goes as well, and old logs. While something is being installed nothing is removed.
        Never raises.
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
        """End an installation that runs, with a RequirementsError for who waits for it, and begin none any more."""
        with self._changing:
            self._closed = True
            if self._installing is not None:
                self._installing.stop()

    def _goes(self, entry: Path, needed: Collection[str | None]) -> bool:
        """Return whether an entry is an environment to remove; remove what is none and not of use any more."""
        if entry.suffix == ".gone":
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.suffix == ".log" and entry.stem not in needed:
            with suppress(OSError):
                if self._now() - entry.stat().st_mtime > LOG_KEPT_FOR.total_seconds():
                    entry.unlink()
        return bool(_KEY.fullmatch(entry.name)) and (entry.name not in needed or not _usable(entry))

    def _make(self, folder: Path, wanted: Requirements, home: Path, lock: int) -> None:
        if home.exists() and not _discard(home):
            raise RequirementsError(
                f"An unfinished environment cannot be removed from {home}. Remove that folder."
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
        """Find what the installer knows and nobody should read: passwords in addresses, and variables that hold secrets."""
        for name, value in self._environ.items():
            if name in wanted.variables or _SECRET_NAME.search(name):
                yield value
            yield from credentials_in(value)

    def _install(
        self, folder: Path, wanted: Requirements, home: Path, installation: Installation, log: InstallLog
    ) -> None:
        """Make the environment, step by step; the marker is last."""

        def run(command: list[str], what: str, cwd: Path = self._root) -> None:
            if code := installation.run(command, cwd=cwd):
                raise self._fault(what, code, installation, log, home)

        python = str(home / "bin" / "python")
        uv = shutil.which("uv", path=self._environ.get("PATH", os.defpath))
        if uv:
            make = [uv, "venv", "--no-project", "--python", sys.executable, str(home)]
            install = [
                uv,
                "pip",
                "install",
                "--compile-bytecode",
                "--no-progress",
                "--python",
                python,
                "-r",
                REQUIREMENTS,
            ]
        else:
            ours = importlib.util.find_spec("pip") is not None
            make = [sys.executable, "-m", "venv", *(["--without-pip"] if ours else []), str(home)]
            pip = [sys.executable, "-m", "pip", "--python", python] if ours else [python, "-m", "pip"]
            install = [
                *pip,
                "install",
                "--disable-pip-version-check",
                "--no-input",
                "--progress-bar=off",
                "-r",
                REQUIREMENTS,
            ]
        run(make, "no virtual environment can be made for it")
        place = folder
        if wanted.local:  # a build writes into its folder, and a checkout is not written to
            place = Path(
                shutil.copytree(
                    folder, home / "bundle", symlinks=True, ignore=shutil.ignore_patterns(*IGNORED)
                )
            )
        run(install, "correct it, or the access to its packages", place)
        if wanted.local and not wanted.editable:
            shutil.rmtree(place)
        _add_own_packages(home)
        run(
            [python, "-I", "-c", "import sauron_jobs_loader"],
            "with its packages Sauron's own cannot be imported; pin others",
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
                f"{REQUIREMENTS} was not installed within {self._timeout.total_seconds():g} s, so the installer was ended. "
                "Pin versions that have wheels, or allow more time."
            )
        message = (
            f"{words} Its log is {home.with_suffix('.log')}. It said at the end:\n{log.tail[-_TAIL_SHOWN:]}"
        )
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
    """Remove an environment: at once for whoever looks for it, then from the disk. False if it resists."""
    doomed = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.gone")
    with suppress(OSError):
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        return True
    return False


def _add_own_packages(home: Path) -> None:
    """Have the environment import from this interpreter's places too, after its own and with their .pth files."""
    own = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    lines = [f"import site; site.addsitedir({place!r})" for place in own if Path(place).is_dir()]
    if str(_LIBRARY) not in own:
        lines.append(str(_LIBRARY))
    (packages,) = home.glob("lib/python*/site-packages")
    # the last in the order of .pth files
    (packages / "~sauron.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequirementsError(
            f"{REQUIREMENTS} of {folder} cannot be installed: {error}. Is the disk full, or not writable for this user?"
        ) from error
