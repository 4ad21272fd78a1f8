"""The bare copy of the bundle's repository that revisions are checked out from.

The caller holds the lock exclusively while it changes the copy. A new copy is built beside its place and
renamed when it is complete, so a `kill -9` at any moment leaves the old copy, the new one, or none, and the
next update continues from there. Lock files and half-received packs of killed git processes are removed
first. A copy that git cannot work with, or that was made from another address, is replaced; the old one stays
until the new one is complete.
"""

import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.removal import remove_folder

from .address import GitAddress
from .command import GitResult
from .default_branch import Head
from .export import RunGit

_EVERYTHING = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_ASKED_FOR = "refs/asked-for"  # what no branch or tag leads to
_MAY_BE_THE_COPYS = frozenset({SourceFault.FAILED, SourceFault.DAMAGED})  # faults that a new copy may end
_MADE_FROM = "made-from"
_LEFTOVERS = (
    "*.lock",
    "refs/**/*.lock",
    "objects/pack/tmp_*",
    "objects/pack/.tmp*",
    "objects/incoming-*",
    "gc.pid",
)
_REDIRECTED = re.compile(r"returned error: 30[12378]")
_HEAD = re.compile(r"(?:ref: refs/heads/(?P<branch>[^\t\n]+)\tHEAD\n)?(?:(?P<sha>[0-9a-f]{40})\tHEAD\n)?")
# the folder may belong to another user, and git passes no configuration to the upload side
_UPLOAD_PACK = "--upload-pack=git -c safe.directory='*' upload-pack"
_ABBREVIATED = re.compile(r"[0-9a-f]{7,39}")


class Mirror:
    """The bare repository `folder`, made from `address` by the git that `run` runs.

    Where git is not to follow a redirect by itself, `locate` returns the place that is fetched from instead.
    """

    def __init__(
        self,
        folder: Path,
        address: GitAddress,
        run: RunGit,
        explain: Callable[[GitResult], SourceError],
        locate: Callable[[], str],
    ) -> None:
        self.folder = folder
        self._address = address
        self._url = address.url
        self._locate = locate
        self._run = run
        self._explain = explain

    def is_usable(self) -> bool:
        """Return whether a copy of exactly this address exists. It may still be damaged."""
        try:
            return (self.folder / _MADE_FROM).read_text("utf-8") == self._address.display
        except (OSError, UnicodeDecodeError):
            return False

    def update(self) -> None:
        """Bring all branches and tags up to date; a copy that git cannot work with is replaced."""
        self._sweep()
        if self.is_usable():
            result = self._fetch(self.folder, *_EVERYTHING)
            if result.ok:
                return
            error = self._explain(result)
            if error.fault not in _MAY_BE_THE_COPYS:
                raise error
        self.renew()

    def renew(self) -> None:
        """Replace the copy by a new one. If that fails the old one stays as it is."""
        self._sweep()
        fresh = self._beside("tmp")
        try:
            self._must(self._run(["init", "--bare", "--quiet", "--template=", "--", str(fresh)], {}))
            self._must(self._fetch(fresh, *_EVERYTHING))
            (fresh / _MADE_FROM).write_text(self._address.display, "utf-8")
            if self.folder.exists():
                self.folder.rename(self._beside("old"))
            fresh.rename(self.folder)
        finally:
            self._sweep_beside()

    def fetch_commit(self, sha: str) -> bool:
        """Fetch one commit that no branch or tag leads to; return whether the server handed it out."""
        result = self._fetch(self.folder, f"+{sha}:{_ASKED_FOR}/{sha}")
        if not result.ok and (error := self._explain(result)).fault not in _MAY_BE_THE_COPYS:
            raise error
        return result.ok and self.has(sha)

    def has(self, sha: str) -> bool:
        """Return whether the copy holds commit `sha`."""
        return self.is_usable() and self._commit(sha) is not None

    def resolve(self, ref: str) -> str | None:
        """Return the full commit id of a branch, a tag, a full ref name or an (abbreviated) commit id."""
        names = [ref] if ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}"]
        if _ABBREVIATED.fullmatch(ref.lower()):
            names.append(ref.lower())
        return next((sha for name in names if (sha := self._commit(name))), None)

    def branches(self) -> list[str]:
        """Return the names of all branches."""
        return self._in_mirror("for-each-ref", "--format=%(refname:strip=2)", "refs/heads").stdout.split()

    def tags(self) -> list[str]:
        """Return the names of all tags."""
        return self._in_mirror("for-each-ref", "--format=%(refname:strip=2)", "refs/tags").stdout.split()

    def head(self) -> Head:
        """Ask the repository what its HEAD is at, and bring a commit that no branch or tag leads to."""
        options = [_UPLOAD_PACK] if self._address.scheme == "file" else []
        result = self._in_mirror("ls-remote", "--symref", *options, "--", self._url, "HEAD")
        self._must(result)
        found = _HEAD.match(result.stdout)
        if found is None:
            return Head(None, None)
        branch, sha = found["branch"], found["sha"]
        if sha and self._commit(sha) is None:
            self._must(self._fetch(self.folder, f"+HEAD:{_ASKED_FOR}/HEAD"))
        return Head(branch, sha)

    def collect_garbage(self) -> None:
        """Let git repack the objects of many small fetches if it finds that worthwhile.

        A failure is ignored.
        """
        self._in_mirror("gc", "--auto", "--quiet")

    def _commit(self, name: str) -> str | None:
        result = self._in_mirror("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return result.stdout.strip() if result.ok else None

    def _fetch(self, folder: Path, *refspecs: str) -> GitResult:
        options = ["--quiet", "--no-auto-gc", "--no-write-fetch-head", "--no-tags", "--force"]
        options.append("--update-shallow")  # git passes over the branches of a shallow repository without it
        if refspecs == _EVERYTHING:
            options.append("--prune")
        if self._address.scheme == "file":
            options.append(_UPLOAD_PACK)
        result = self._run(["fetch", *options, "--", self._url, *refspecs], {"GIT_DIR": str(folder)})
        if result.ok or self._address.token is None or not _REDIRECTED.search(result.stderr):
            return result
        self._url = self._locate()
        return self._run(["fetch", *options, "--", self._url, *refspecs], {"GIT_DIR": str(folder)})

    def _in_mirror(self, *arguments: str) -> GitResult:
        return self._run(arguments, {"GIT_DIR": str(self.folder)})

    def _must(self, result: GitResult) -> None:
        if not result.ok:
            raise self._explain(result)

    def _beside(self, suffix: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{uuid.uuid4().hex}.{suffix}")

    def _sweep(self) -> None:
        """Remove the leftovers of killed processes.

        No other process works here while the caller holds the lock.
        """
        self._sweep_beside()
        for pattern in _LEFTOVERS:
            for leftover in self.folder.glob(pattern):
                if leftover.is_dir():
                    remove_folder(leftover)
                else:
                    with suppress(OSError):
                        leftover.unlink()

    def _sweep_beside(self) -> None:
        for suffix in ("tmp", "old"):
            for folder in self.folder.parent.glob(f"{self.folder.name}.*.{suffix}"):
                remove_folder(folder)
