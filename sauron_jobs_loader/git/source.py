"""Where a bundle comes from: a git repository over https, ssh or a local path.

`fetch` asks the network which commit a branch, tag or commit id is; `checkout` turns a commit into a folder.
Both may be repeated, killed or run by several processes at once: changes to the mirror are made under a file
lock that git inherits, and a checkout appears complete or not at all. A force-push, another branch or another
address need no cleaning up by hand.

The token reaches git in its environment alone; it is in no URL, argument, file or message. Limits: no
submodules, no LFS; a commit that was rewritten away stays available only while it is checked out.
"""

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.file_lock import file_lock
from sauron_jobs_loader.ownership import first_closed, not_readable

from .address import parse_address
from .checkouts import FULL_SHA, Checkouts
from .command import GitResult, git_environment, run_git
from .default_branch import followed, named
from .explain import explain, fault_error
from .export import DamagedMirrorError, TookTooLongError, export
from .glance import has_folder
from .history import Commits, between
from .limits import TreeLimits
from .mirror import Mirror
from .redirects import found_at
from .refusals import (
    checked_ref,
    no_commit,
    require_full,
    require_local,
    unreadable,
    unwritable,
    with_closed_file,
)

_LIMIT = timedelta(seconds=120)


class GitSource:
    """One bundle repository, mirrored at `root/mirror.git` and checked out below `root/revisions`."""

    def __init__(
        self,
        url: str,
        *,
        root: Path,
        branch: str | None = None,
        token: str | None = None,
        ssh_key_file: Path | None = None,
        known_hosts_file: Path | None = None,
        timeout: timedelta = _LIMIT,
        limits: TreeLimits = TreeLimits(),  # noqa: B008 - a constant
    ) -> None:
        """Check the address and the branch name. The network is first used by `fetch`. Raises SourceError.

        Without a branch, `main` is followed, or else the branch that the repository's HEAD names.
        """
        self._address = parse_address(url, token=token)
        self.display_url = self._address.display
        self._branch = None if branch is None else checked_ref(branch, setting="JOBS_GIT_BRANCH")
        self.followed: str | None = self._branch
        self._root = root.absolute()
        self._revisions = Checkouts(self._root)
        self._ssh_key_file = ssh_key_file
        self._known_hosts_file = known_hosts_file
        self._timeout = timeout
        self._limits = limits

    def fetch(self, ref: str | None = None, *, listed: bool = False) -> str:
        """Return the full commit id that a branch, tag or commit id (default: the branch) is at now.

        A full commit id that is in the mirror is returned without the network. With `listed` the server is
        not asked for a commit that no branch or tag leads to. Raises SourceError.
        """
        wanted = self._branch if ref is None else checked_ref(ref)
        configured = ref is None
        try:
            with file_lock(self._root / "mirror.lock", timeout=self._timeout) as lock:
                mirror = self._mirror(lock)
                if wanted is not None and FULL_SHA.fullmatch(wanted):
                    return self._fetch_commit(mirror, wanted, listed=listed)
                self._check_access_files()
                mirror.update()
                if wanted is None:
                    self.followed, sha = followed(mirror, self.display_url)
                else:
                    sha = named(wanted, mirror, self.display_url, configured=configured)
                mirror.collect_garbage()
                return sha
        except SourceError as error:
            if error.fault is SourceFault.EMPTY and self._address.scheme in {"http", "https"}:
                found_at(self._address, limit=self._timeout)  # a web page looks empty to git
            raise with_closed_file(error, self._root, self._address) from error
        except OSError as error:
            raise unwritable(self._root, error, self._address) from error

    def heads(self) -> list[str]:
        """Return the branches of the remote now, without fetching. Raises SourceError."""
        self._check_access_files()
        place = Path(self._address.url).parent if self._address.scheme == "file" else Path("/")
        runner = self._runner(None, cwd=place)
        result = runner(["ls-remote", "--heads", "--", self._address.url], {})
        if not result.ok:
            raise self._explain(result)
        lines = result.stdout.splitlines()
        return [line.partition("\trefs/heads/")[2] for line in lines if "\trefs/heads/" in line]

    def has_folder(self, folder: str, *, branch: str) -> bool | None:
        """Return whether a branch of the remote holds a folder now; None if that cannot be told."""
        return has_folder(self._runner(None, cwd=Path("/")), self._address.url, branch, folder)

    def checkout(self, sha: str, *, anew: bool = False) -> Path:
        """Return the folder that holds exactly commit `sha`; fetch it if it is not in the mirror.

        With `anew` a folder that is there is replaced. Raises SourceError.
        """
        require_full(sha)
        if not anew and (done := self._revisions.path(sha)) is not None:
            return done
        try:
            with file_lock(self._root / "mirror.lock", timeout=self._timeout, shared=True) as lock:
                mirror = self._mirror(lock)
                with suppress(DamagedMirrorError):
                    if mirror.has(sha):
                        return self._export(sha, mirror, lock, anew=anew)
            with file_lock(self._root / "mirror.lock", timeout=self._timeout) as lock:
                mirror = self._mirror(lock)
                if mirror.has(sha):
                    mirror.renew()
                self._fetch_commit(mirror, sha)
                return self._export(sha, mirror, lock, anew=anew)
        except DamagedMirrorError as error:
            raise unreadable(sha, error, self._address) from error
        except TookTooLongError as error:
            raise fault_error(SourceFault.TIMED_OUT, self._address, said="", limit=self._timeout) from error
        except OSError as error:
            raise unwritable(self._root, error, self._address) from error
        except SourceError as error:
            raise with_closed_file(error, self._root, self._address) from error

    def _export(self, sha: str, mirror: Mirror, lock: int, *, anew: bool) -> Path:
        final = self._revisions.folder / sha
        run = self._runner(lock)
        return export(sha, git_dir=mirror.folder, final=final, run=run, limits=self._limits, anew=anew)

    def metadata(self, sha: str) -> dict[str, Any] | None:
        """Return `subject`, `author` and `authored_at` (aware) of a commit, or None if it cannot be read."""
        import git

        environ = git_environment() | {"GIT_DIR": str(self._root / "mirror.git")}
        try:
            with git.Repo(self._root / "mirror.git", expand_vars=False) as repo:
                repo.git.update_environment(**environ)
                commit = repo.commit(sha)
                subject = commit.summary
                return {
                    "subject": subject if isinstance(subject, str) else subject.decode("utf-8", "replace"),
                    "author": commit.author.name,
                    "authored_at": commit.authored_datetime,
                }
        except (git.GitError, git.BadName, ValueError, OSError):
            return None

    def commits(self, base: str | None, sha: str) -> tuple[Commits, Commits]:
        """Return the commits of `sha` that `base` lacks, and those of `base` that `sha` lacks.

        See `history.between`.
        """
        try:
            with file_lock(self._root / "mirror.lock", timeout=self._timeout, shared=True) as lock:
                return between(base, sha, git_dir=self._root / "mirror.git", run=self._runner(lock))
        except OSError as error:
            raise unwritable(self._root, error, self._address) from error

    def _fetch_commit(self, mirror: Mirror, sha: str, *, listed: bool = False) -> str:
        if mirror.has(sha):
            return sha
        self._check_access_files()
        mirror.update()
        if mirror.has(sha) or (not listed and mirror.fetch_commit(sha)):
            return sha
        raise no_commit(sha, self.display_url)

    def _mirror(self, lock: int) -> Mirror:
        return Mirror(
            self._root / "mirror.git",
            self._address,
            self._runner(lock),
            self._explain,
            partial(found_at, self._address, limit=self._timeout),
        )

    def _runner(self, lock: int | None, cwd: Path | None = None) -> "_Runner":
        ssh = self._ssh_command() if self._address.scheme == "ssh" else None
        environ = git_environment(
            protocols=self._address.protocols, config=self._address.config(), ssh_command=ssh
        )
        deadline = time.monotonic() + self._timeout.total_seconds()
        return _Runner(environ, cwd or self._root, deadline, lock)

    def _explain(self, result: GitResult) -> SourceError:
        known_hosts = None if self._known_hosts_file is None else str(self._known_hosts_file)
        key = None if self._ssh_key_file is None else str(self._ssh_key_file)
        return explain(result, self._address, limit=self._timeout, known_hosts=known_hosts, key=key)

    def _ssh_command(self) -> str:
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "ControlMaster=no",
            "ControlPath=none",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
        ]
        if self._ssh_key_file is not None:
            options += ["IdentitiesOnly=yes", f"IdentityFile={_ssh_quoted(self._ssh_key_file)}"]
        if self._known_hosts_file is not None:
            options.append(f"UserKnownHostsFile={_ssh_quoted(self._known_hosts_file)}")
        return shlex.join(["ssh", *(part for option in options for part in ("-o", option))])

    def _check_access_files(self) -> None:
        """Raise SourceError if a file that the fetch needs is missing on this machine."""
        require_local(self._address)
        if self._address.scheme != "ssh":
            return
        for file, what, setting in (
            (self._ssh_key_file, "ssh key", "SAURON_SSH_KEY_PATH"),
            (self._known_hosts_file, "known_hosts file", "SAURON_SSH_KNOWN_HOSTS"),
        ):
            if file is not None and not file.is_file():
                fault = "is not a file" if file.exists() else "does not exist"
                raise SourceError(
                    f"the {what} {file} {fault}; put it there (a key with mode 0600), or set "
                    f"{setting} to where it is",
                    fault=SourceFault.ACCESS,
                    url=self.display_url,
                )
            if file is not None and first_closed(file, writing=False):
                raise SourceError(
                    f"the {what}: {not_readable(file, 'permission denied', private=True)}",
                    fault=SourceFault.ACCESS,
                    url=self.display_url,
                )


class _Runner:
    """Runs git for one operation: one environment, one deadline, one inherited lock if it needs one."""

    def __init__(self, environ: dict[str, str], cwd: Path, deadline: float, lock: int | None) -> None:
        self._environ = environ
        self._cwd = cwd
        self._deadline = deadline
        self._lock = lock

    def __call__(
        self,
        arguments: Sequence[str],
        extra: dict[str, str],
        take: Callable[[bytes], None] | None = None,
    ) -> GitResult:
        return run_git(
            arguments,
            environ=self._environ | extra,
            cwd=self._cwd,
            deadline=self._deadline,
            pass_fds=() if self._lock is None else (self._lock,),
            take=take,
        )


def _ssh_quoted(file: Path) -> str:
    """Quote a path for the option parser of ssh, which expands % and splits at spaces."""
    return '"' + str(file.absolute()).replace("%", "%%").replace('"', '\\"') + '"'
