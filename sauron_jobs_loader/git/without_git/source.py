"""The source of a bundle without a git binary: https, http on this machine, or a local path.

It has the methods of `GitSource` and keeps the same promises, with less on the disk: there is no mirror.
`fetch` only asks the network which commit a branch or tag is at. `checkout` fetches that one commit without
its history, and keeps its files, subject and author. So the cost of a repository does not grow with its
history.

Both may be repeated, killed or run by several processes at once: a checkout is made under a file lock and
appears complete or not at all, and the next one removes the leftovers of a killed one. The token is in no
URL, argument, file or message. Limits: no ssh, submodules or LFS; a commit id may be abbreviated only if a
branch or tag is at it, or it is checked out; a pruned revision is fetched again, which some servers refuse
for a commit that no branch or tag leads to.
"""

import time
import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.file_lock import file_lock
from sauron_jobs_loader.git.address import GitAddress, parse_address
from sauron_jobs_loader.git.checkouts import FULL_SHA, Checkouts
from sauron_jobs_loader.git.default_branch import followed, named
from sauron_jobs_loader.git.explain import fault_error
from sauron_jobs_loader.git.export import DamagedMirrorError, make_durable, publish, refuse_escaping_links
from sauron_jobs_loader.git.history import Commits
from sauron_jobs_loader.git.limits import TreeLimits
from sauron_jobs_loader.git.refusals import (
    checked_ref,
    no_commit,
    require_full,
    require_local,
    unreadable,
    unwritable,
    with_closed_file,
)
from sauron_jobs_loader.removal import remove_folder

from .objects import about, write_files
from .refs import ABBREVIATED

if TYPE_CHECKING:
    from .local import LocalRepository
    from .remote import RemoteRepository

_LIMIT = timedelta(seconds=120)
_RULE = "; without git a commit id is written in full"


class DulwichSource:
    """One bundle repository, whose commits are checked out below `root/revisions`."""

    def __init__(
        self,
        url: str,
        *,
        root: Path,
        branch: str | None = None,
        token: str | None = None,
        ssh_key_file: Path | None = None,  # noqa: ARG002 - the same arguments as GitSource's
        known_hosts_file: Path | None = None,  # noqa: ARG002
        timeout: timedelta = _LIMIT,
        limits: TreeLimits = TreeLimits(),  # noqa: B008 - a constant
    ) -> None:
        """Check the address and the branch name. The network is first used by `fetch`. Raises SourceError.

        Without a branch, `main` is followed, or else the branch that the repository's HEAD names.
        """
        self._address = parse_address(url, token=token)
        if self._address.scheme == "ssh":
            raise _needs_git(self._address)
        self.display_url = self._address.display
        self._branch = None if branch is None else checked_ref(branch, setting="JOBS_GIT_BRANCH")
        self.followed: str | None = self._branch
        self._root = root.absolute()
        self._revisions = Checkouts(self._root)
        self._commits = self._root / "commits"
        self._timeout = timeout
        self._limits = limits

    def fetch(self, ref: str | None = None, *, listed: bool = False) -> str:
        """Return the full commit id that a branch, tag or commit id (default: the branch) is at now.

        A full commit id that is checked out is returned without the network; otherwise it is checked out.
        With `listed` a commit is not there unless a branch or tag is at it, or it is checked out. Raises
        SourceError.
        """
        wanted = self._branch if ref is None else checked_ref(ref)
        if wanted is not None and FULL_SHA.fullmatch(wanted) and not listed:
            self.checkout(wanted)
            return wanted
        try:
            refs = self._remote().refs(self._checked_out())
        except OSError as error:
            raise unwritable(self._root, error, self._address) from error
        except SourceError as error:
            raise with_closed_file(error, self._root, self._address) from error
        if wanted is None:
            self.followed, sha = followed(refs, self.display_url)
            return sha
        if FULL_SHA.fullmatch(wanted):
            if refs.resolve(wanted[:-1]) == wanted:
                return wanted
            raise no_commit(wanted, self.display_url)
        rule = _RULE if ABBREVIATED.fullmatch(wanted.lower()) else ""
        return named(wanted, refs, self.display_url, configured=ref is None, rule=rule)

    def checkout(self, sha: str, *, anew: bool = False) -> Path:
        """Return the folder that holds exactly commit `sha`; fetch it if it does not exist.

        With `anew` a folder that is there is replaced. Raises SourceError.
        """
        require_full(sha)
        if not anew and (done := self._revisions.path(sha)) is not None:
            return done
        final = self._revisions.folder / sha
        try:
            with file_lock(self._root / "mirror.lock", timeout=self._timeout):
                done = None if anew else self._revisions.path(sha)
                return done or self._brought(sha, final, anew=anew)
        except DamagedMirrorError as error:
            raise unreadable(sha, error, self._address) from error
        except KeyError as error:
            raise no_commit(sha, self.display_url) from error
        except OSError as error:
            raise unwritable(self._root, error, self._address) from error
        except SourceError as error:
            raise with_closed_file(error, self._root, self._address) from error

    def metadata(self, sha: str) -> dict[str, Any] | None:
        """Return `subject`, `author` and `authored_at` (aware) of a checked-out commit, or None."""
        if not FULL_SHA.fullmatch(sha):
            return None
        try:
            return about(sha, (self._commits / sha).read_bytes())
        except OSError:
            return None

    def commits(self, base: str | None, sha: str) -> tuple[Commits, Commits]:
        """Return the commit `sha` if it is not `base`: there is no history. As `GitSource.commits`."""
        found = None if base == sha else self.metadata(sha)
        return ([] if found is None else [{"sha": sha, **found}]), []

    def _brought(self, sha: str, final: Path, *, anew: bool) -> Path:
        # of a killed process: no other one works here while this one holds the lock
        for left_over in final.parent.glob("*.tmp"):
            remove_folder(left_over)
        scratch = final.with_name(f"{sha}.{uuid.uuid4().hex}.tmp")
        tree = scratch / "tree"
        tree.mkdir(parents=True)
        try:
            deadline = time.monotonic() + self._timeout.total_seconds()
            with self._remote().objects(sha, scratch, self._limits) as read:
                commit = write_files(
                    sha, read, tree, limits=self._limits, check_time=partial(self._check_time, deadline)
                )
            refuse_escaping_links(tree, sha)
            self._remember(sha, commit, scratch)
            make_durable(tree)
            publish(tree, final, anew=anew)
        finally:
            remove_folder(scratch)
        return final

    def _check_time(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise fault_error(SourceFault.TIMED_OUT, self._address, said="", limit=self._timeout)

    def _remember(self, sha: str, commit: bytes, scratch: Path) -> None:
        """Keep the commit object, and forget those of pruned revisions."""
        self._commits.mkdir(exist_ok=True)
        for known in self._commits.iterdir():
            if self._revisions.path(known.name) is None:
                known.unlink(missing_ok=True)
        (scratch / "commit").write_bytes(commit)
        (scratch / "commit").replace(self._commits / sha)

    def _checked_out(self) -> set[str]:
        return {entry.name for entry in self._revisions.folder.glob("?" * 40)}

    def _remote(self) -> "LocalRepository | RemoteRepository":
        require_local(self._address)
        if self._address.scheme == "file":
            from .local import LocalRepository

            return LocalRepository(self._address)
        from .remote import RemoteRepository

        return RemoteRepository(self._address, limit=self._timeout)


def _needs_git(address: GitAddress) -> SourceError:
    path = urlsplit(address.url).path if "://" in address.url else address.url.partition(":")[2]
    return SourceError(
        f"the bundle address {address.display!r} uses ssh, which needs git, and git is not on PATH; "
        f"write https://{address.host}/{path.lstrip('/')} and set a token as JOBS_GIT_TOKEN, "
        "or install git and ssh",
        fault=SourceFault.ADDRESS,
        url=address.display,
    )
