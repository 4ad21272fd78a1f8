"""A git repository on this disk, as dulwich reads it. No git binary is used."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from dulwich.errors import NotGitRepository
from dulwich.objects import ObjectID
from dulwich.repo import Repo

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.address import GitAddress
from sauron_jobs_loader.git.explain import fault_error
from sauron_jobs_loader.git.limits import TreeLimits

from .objects import ReadObject
from .refs import HEAD, PREFIXES, ListedRefs, listed


class LocalRepository:
    """A repository on this disk."""

    def __init__(self, address: GitAddress) -> None:
        self._address = address

    def refs(self, known: Collection[str]) -> ListedRefs:
        """Return the branches and tags. `known` commits may be named by the beginning of their ids."""
        with self._opened() as repo, self._readable():
            names = [name for name in repo.refs.allkeys() if name.startswith(PREFIXES)]
            commits: dict[bytes, bytes | None] = {name: repo.get_peeled(name) for name in names}
            try:
                commits[HEAD] = repo.head()
            except KeyError:
                commits[HEAD] = None  # at a branch without a commit
            return listed(commits, repo.refs.get_symrefs(), known)

    @contextmanager
    def objects(
        self,
        sha: str,
        scratch: Path,  # noqa: ARG002 - the same shape as RemoteRepository's
        limits: TreeLimits,  # noqa: ARG002
    ) -> Iterator[ReadObject]:
        """Open the objects of commit `sha`."""
        with self._opened() as repo:

            def read(name: bytes) -> tuple[int, bytes]:
                try:
                    return repo.object_store.get_raw(ObjectID(name))
                except KeyError:
                    if name != sha.encode() and _is_partial(repo):
                        raise self._fault(SourceFault.INCOMPLETE) from None
                    raise

            yield read

    @contextmanager
    def _opened(self) -> Iterator[Repo]:
        try:
            with self._readable():
                repo = Repo(self._address.url)
        except NotGitRepository:
            raise self._fault(SourceFault.NOT_A_REPOSITORY) from None
        try:
            if _has_long_ids(repo):
                raise self._fault(SourceFault.OBJECT_FORMAT)
            yield repo
        finally:
            repo.close()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn what dulwich raises because of a damaged repository into SourceError."""
        try:
            yield
        except (SourceError, NotGitRepository):
            raise
        except Exception as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise self._fault(SourceFault.FAILED, f"{type(error).__name__}: {said}") from error

    def _fault(self, fault: SourceFault, said: str = "") -> SourceError:
        return fault_error(fault, self._address, said=said, limit=timedelta(0), speaker="reading it")


def _has_long_ids(repo: Repo) -> bool:
    try:
        return repo.get_config().get((b"extensions",), b"objectformat") == b"sha256"
    except KeyError:
        return False


def _is_partial(repo: Repo) -> bool:
    config = repo.get_config()
    return any(
        section[:1] == (b"remote",) and config.get_boolean(section, b"promisor", default=False)
        for section in config.sections()
    )
