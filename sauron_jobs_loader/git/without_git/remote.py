"""A git repository as dulwich reads it over http(s). No git binary is used.

`refs` returns which commits the branches and tags are at; `objects` opens the objects of one commit, without
its history. The token goes only to the host, port and scheme of the address, in a header. Redirects are
followed only while looking for the repository, as `redirects` allows.

All requests, and all reading of responses, share one time limit. Limits: a name lookup that does not end, and
headers that come byte by byte, are waited for; SHA-256 repositories are not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import urllib3
from dulwich.client import AbstractHttpGitClient
from dulwich.errors import GitProtocolError
from dulwich.object_store import DiskObjectStore, ObjectStoreGraphWalker
from dulwich.objects import ObjectID
from dulwich.refs import Ref
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.address import GitAddress
from sauron_jobs_loader.git.explain import fault_error, status_error
from sauron_jobs_loader.git.http_answers import WEB_PAGE
from sauron_jobs_loader.git.https import connections_to
from sauron_jobs_loader.git.limits import TreeCount, TreeLimits
from sauron_jobs_loader.git.redirects import MOST, MOVED, allowed, endless, origin

from .objects import ReadObject
from .refs import HEAD, PREFIXES, ListedRefs, listed

if TYPE_CHECKING:
    from dulwich.client import DetermineWantsFunc

_CHUNK = 64 * 1024
_COMPLAINT = 400
_OK = 200


class RemoteRepository(AbstractHttpGitClient):
    """A repository behind https, or behind http on this machine."""

    def __init__(self, address: GitAddress, *, limit: timedelta) -> None:
        super().__init__(address.url, thin_packs=False, quiet=True)
        self._address = address
        self._limit = limit
        self._deadline = time.monotonic() + limit.total_seconds()
        self._pool = connections_to(address)
        self._response: _Response | None = None

    def refs(self, known: Collection[str]) -> ListedRefs:
        """Return the branches and tags. `known` commits may be named by the beginning of their ids."""
        with self._explained():
            found = self.get_refs("", ref_prefix=[*PREFIXES, HEAD])
        return listed(found.refs, found.symrefs, known)

    @contextmanager
    def objects(self, sha: str, scratch: Path, limits: TreeLimits) -> Iterator[ReadObject]:
        """Fetch commit `sha` alone into `scratch`, up to the size that `limits` allow, and open it.

        Reading an object the server withholds is a KeyError.
        """
        store = DiskObjectStore.init(scratch / "objects")
        try:
            self._bring(sha, store, TreeCount(sha, limits))
            yield lambda name: store.get_raw(ObjectID(name))
        finally:
            store.close()

    def _bring(self, sha: str, store: DiskObjectStore, count: TreeCount) -> None:
        pack, complete, abandon = store.add_pack()

        def write(data: bytes) -> int:
            count.add_size(len(data))
            return pack.write(data)

        walker = ObjectStoreGraphWalker([], lambda _: [])
        try:
            with self._explained():
                self.fetch_pack("", _only(sha), walker, write, depth=1, ref_prefix=[b"HEAD"])
                complete()
        except _NotGivenError:
            with suppress(OSError):
                abandon()
        except BaseException:
            with suppress(OSError):
                abandon()
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what dulwich raises because of the server into SourceError.

        An OSError is one of the local disk.
        """
        try:
            yield
        except (SourceError, OSError):
            raise
        except HTTPError as error:
            raise self._fault(_kind(error), str(error)) from error
        except GitProtocolError as error:
            said = self._response.complaint if self._response else ""
            if "not our ref" in said:
                raise _NotGivenError from error
            raise self._fault(SourceFault.FAILED, said or str(error)) from error
        except Exception as error:
            raise self._fault(SourceFault.FAILED, f"{type(error).__name__}: {error}") from error

    def _fault(self, fault: SourceFault, said: str) -> SourceError:
        return fault_error(
            fault, self._address, said=self._address.redact(said), limit=self._limit, speaker="the connection"
        )

    def _http_request(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        raise_for_status: bool = True,
    ) -> tuple[Any, Callable[[int], bytes]]:
        """Return a response and the function that reads it, for dulwich. Raises SourceError, HTTPError."""
        asked = url
        for _ in range(MOST + 1):
            sent = {"User-Agent": "git/2 (sauron)", "Pragma": "no-cache", **(headers or {})}
            if self._address.authorization and origin(url) == origin(self._address.url):
                sent["Authorization"] = self._address.authorization
            response = self._pool.request(
                "GET" if data is None else "POST",
                url,
                body=data,
                headers=sent,
                timeout=urllib3.Timeout(connect=self._left(), read=self._left()),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            if data is not None or response.status not in MOVED:
                break
            response.close()
            url = allowed(self._address, urljoin(url, response.headers.get("Location", "")))
        else:
            raise endless(self._address)
        if raise_for_status and response.status != _OK:
            response.close()
            raise status_error(
                response.status,
                self._address,
                said=f"HTTP status {response.status}",
                limit=self._limit,
                speaker="the connection",
            )
        self._response = body = _Response(response, self._left, moved_to="" if url == asked else url)
        if data is None and "application/x-git-" not in (body.content_type or ""):
            body.close()
            page = "html" in (body.content_type or "").lower()
            raise fault_error(
                SourceFault.NOT_A_REPOSITORY,
                self._address,
                said="",
                limit=self._limit,
                sentence=WEB_PAGE.format(host=self._address.host) if page else "",
            )
        return body, body.read

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._fault(SourceFault.TIMED_OUT, "")
        return left


class _NotGivenError(Exception):
    """The server does not hand out the commit."""


class _Response:
    """A response with the attributes that dulwich reads.

    Each piece of it is waited for until the deadline.
    """

    def __init__(
        self, response: urllib3.BaseHTTPResponse, left: Callable[[], float], *, moved_to: str
    ) -> None:
        self.content_type = response.headers.get("Content-Type")
        self.redirect_location = moved_to
        self._response = response
        self._left = left
        self._held = bytearray()
        self._began = b""

    @property
    def complaint(self) -> str:
        """The error message that the server sent instead of a response; dulwich ignores it."""
        return (
            self._began[8:].decode("utf-8", "replace").strip() if self._began[4:].startswith(b"ERR ") else ""
        )

    def read(self, amount: int) -> bytes:
        """Return `amount` bytes; fewer only at the end."""
        while len(self._held) < amount:
            wire = getattr(self._response.connection, "wire", None)
            left = self._left()
            if wire is not None:
                with suppress(OSError):
                    wire.settimeout(left)
            chunk = self._response.read1(_CHUNK)
            if not chunk:
                break
            self._held += chunk
            self._began = self._began or chunk[:_COMPLAINT]
        taken = bytes(self._held[:amount])
        del self._held[:amount]
        return taken

    def close(self) -> None:
        """Release the connection."""
        self._response.close()


def _only(sha: str) -> DetermineWantsFunc:
    def determine_wants(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001 - dulwich calls it
        return [ObjectID(sha.encode())]

    return determine_wants


def _kind(error: HTTPError) -> SourceFault:
    if isinstance(error, SSLError) and "certificate" in str(error).lower():
        return SourceFault.CERTIFICATE
    timed_out = isinstance(error, ReadTimeoutError | ConnectTimeoutError) and not isinstance(
        error, NewConnectionError
    )
    return SourceFault.TIMED_OUT if timed_out else SourceFault.UNREACHABLE
