"""The address of a bundle: which addresses are accepted, and where their credentials go.

Accepted are https, ssh (as a URL or as `git@host:org/repo.git`), file:// and local paths that are absolute or
start with `./`; http only to this machine. Any other address is refused with what to write instead: git runs
commands for `ext::...` and takes an address that starts with `-` for an option.

Credentials in an address of the web are moved out of it at once.
"""

import base64
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, quote, unquote, urlsplit

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.masking import MASK, PUBLIC_USERS, UNREADABLE, shown_address, without_credentials

from .hosts import DEFAULT_USER, SHORTEST_TOKEN, is_known, token_user
from .misread import meant

_SCP_LIKE = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_.+-]+)@)?(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(?P<path>[^/:].*|/.+)"
)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_LOOKS_LIKE_HOST = re.compile(
    r"(?:[A-Za-z0-9_.+-]+@)?(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)/(?P<path>[\w.-]+/[\w.-].*)"
)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_ACCEPTED = (
    "write https://host/org/repo.git, ssh://git@host/org/repo.git, git@host:org/repo.git, "
    "file:///path/to/repo or the absolute path of a local repository"
)


@dataclass(frozen=True, slots=True)
class GitAddress:
    """One accepted address. `url` is for git, `display` for people. Neither holds credentials.

    Limit: a token that was written as the user of an ssh address stays in `url`, which ssh needs.
    """

    scheme: str  # https, http, ssh or file
    url: str = field(repr=False)
    display: str
    host: str | None = None
    port: int | None = None
    token_user: str = field(default=DEFAULT_USER, repr=False)
    token: str | None = field(default=None, repr=False)
    token_alone: bool = False  # the token stands before the @ by itself: it may be a user name

    @property
    def protocols(self) -> tuple[str, ...]:
        """The transports that git may use. http may be redirected to https, never https to http."""
        return ("http", "https") if self.scheme == "http" else (self.scheme,)

    @property
    def local_path(self) -> Path | None:
        """The folder of a local repository."""
        return Path(self.url) if self.scheme == "file" else None

    def config(self) -> list[tuple[str, str]]:
        """Return the git configuration that holds the token, limited to this host."""
        if self.scheme not in ("http", "https"):
            return []
        parts = urlsplit(self.url)
        base = f"{parts.scheme}://{parts.netloc}/"
        pairs = [("http.proxy", "")] if is_loopback(self.host) else []
        if self.token is not None:
            pairs.append((f"http.{base}.extraHeader", f"Authorization: {self.authorization}"))
            pairs.append(("http.followRedirects", "false"))  # git would take the header along
        return pairs

    @property
    def authorization(self) -> str | None:
        """The value of the Authorization header for this host alone; None without a token."""
        return None if self.token is None else f"Basic {self._basic()}"

    def redact(self, text: str) -> str:
        """Return `text` with the token in all its forms masked, and the user information of every URL."""
        if self.token:
            for secret in (self._basic(), self.token, quote(self.token, safe="")):
                text = text.replace(secret, MASK)
        return without_credentials(text)

    def _basic(self) -> str:
        return base64.b64encode(f"{self.token_user}:{self.token or ''}".encode()).decode("ascii")


def parse_address(url: str, *, token: str | None = None) -> GitAddress:
    """Return the address of `url` with `token`. Raises SourceError with what to write instead."""
    token = _checked_token(token)
    url = url.strip()
    if not url:
        _refuse(url, "is empty")
    if url.startswith("-"):
        _refuse(url, "starts with a dash, which git takes for an option")
    if mistake := meant(url):
        _refuse(url, *mistake)
    if "@" in url and shown_address(url) == UNREADABLE:
        _refuse(
            url,
            "has an @, and what stands before it cannot be told from the host",
            "write https://host/org/repo.git, and set the token alone as JOBS_GIT_TOKEN "
            "(in an address write %2F for /, %23 for #, %3F for ?, %3A for :, %40 for @ and %20 for a space)",
        )
    if url.startswith(("/", "./", "../")) or url in (".", ".."):
        return _local(url, Path(url))
    if _UNPRINTABLE.search(url):
        _refuse(url, "contains a space or a control character")
    if re.match(r"[A-Za-z0-9+.-]*::", url):
        _refuse(url, "would make git run a program")
    return _from_url(url, token) if "://" in url else _from_words(url)


def _from_words(url: str) -> GitAddress:
    if match := _LOOKS_LIKE_HOST.fullmatch(url):
        host, path = match["host"], match["path"]
        _refuse(url, "lacks a scheme", f"write https://{host}/{path} or git@{host}:{path}")
    if url.startswith("~"):
        _refuse(url, "starts with ~, which is different for every user", f"write {_at_home(url)}")
    match = _SCP_LIKE.fullmatch(url)
    if match is None:
        _refuse(url, "is not a valid repository address", f"{_ACCEPTED} (a relative path starts with ./)")
    host = match["host"].strip("[]")
    _check_host(url, host)
    if match["path"].startswith("-"):
        _refuse(url, "has a path that starts with a dash")
    return GitAddress("ssh", url, shown_address(url), host=host)


def _at_home(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError:  # there is no such user
        return "the absolute path"


def _from_url(url: str, token: str | None) -> GitAddress:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        _refuse(url, "is not a valid URL: after the host may come a colon and the number of a port")
    if parts.query or parts.fragment:
        _refuse(
            url,
            "has a query or a fragment",
            "remove the ? or # and everything after it, and set a token as JOBS_GIT_TOKEN",
        )
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            _refuse(
                url,
                f"names another machine ({parts.hostname}) in a file URL",
                f"mount the folder here and write its path: file:///path/to/repo, or file://{parts.path}",
            )
        return _local(url, Path(unquote(parts.path)))
    if parts.scheme not in ("https", "http", "ssh"):
        place = f"{_netloc(parts.hostname or '', port)}{parts.path}"
        instead = f"write https://{place}" if parts.scheme == "git" and parts.hostname else _ACCEPTED
        _refuse(url, f"has the unsupported scheme {parts.scheme}://", instead)
    host = parts.hostname
    if not host:
        _refuse(url, "lacks a host name")
    _check_host(url, host)
    if not parts.path.strip("/"):
        _refuse(url, "lacks the path of a repository on that host")
    if parts.scheme == "ssh":
        return _ssh(url, parts, host, port)
    if parts.scheme == "http" and not is_loopback(host):
        _refuse(
            url,
            "would send everything unencrypted",
            f"write https://{_netloc(host, port)}{parts.path}; where there is no TLS, "
            f"write ssh://git@{_netloc(host, None)}{parts.path} with the user and port of its "
            "ssh server, or the path of a bare repository that is mounted here",
        )
    return _web(parts, host, port, token)


def _web(parts: SplitResult, host: str, port: int | None, token: str | None) -> GitAddress:
    user, alone = unquote(parts.username or ""), False
    if parts.password:
        token = token or _checked_token(unquote(parts.password))
    elif user and token is None and not _is_user(user, host):
        token, user, alone = _checked_token(user), "", True
    clean = f"{parts.scheme}://{_netloc(host, port)}{parts.path}"
    return GitAddress(
        parts.scheme,
        clean,
        clean,
        host=host,
        port=port,
        token_user=user or token_user(host),
        token=token,
        token_alone=alone,
    )


def _is_user(word: str, host: str) -> bool:
    """Return whether a word alone before the @ is a user name: a known one, or too short for a token."""
    return word in PUBLIC_USERS or (is_known(host) and len(word) < SHORTEST_TOKEN)


def _ssh(url: str, parts: SplitResult, host: str, port: int | None) -> GitAddress:
    if parts.password is not None:
        _refuse(
            url,
            "holds a password, but ssh works with a key here",
            "remove the password and set SSH_PRIVATE_KEY_B64 or SAURON_SSH_KEY_PATH",
        )
    user = f"{parts.username}@" if parts.username else ""
    if user and not re.fullmatch(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*@", user):
        _refuse(url, "has an invalid user name")
    clean = f"ssh://{user}{_netloc(host, port)}{parts.path}"
    return GitAddress("ssh", clean, shown_address(clean), host=host, port=port)


def _local(url: str, path: Path) -> GitAddress:
    if "\0" in url or "\n" in url:
        _refuse(url, "contains a control character")
    if not path.is_absolute() and url.startswith("file:"):
        _refuse(url, "is not absolute", "write file:///path/to/repo")
    absolute = str(path.absolute())
    return GitAddress("file", absolute, absolute)


def _netloc(host: str, port: int | None) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


def _check_host(url: str, host: str) -> None:
    if ":" in host:
        try:
            ip_address(host)
        except ValueError:
            _refuse(url, f"has an invalid IPv6 address ({host})")
    elif not _HOST.fullmatch(host):
        _refuse(url, f"has an invalid host name ({host})")


def is_loopback(host: str | None) -> bool:
    """Return whether a host is this machine."""
    if host is None or host == "localhost":
        return host is not None
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_token(token: str | None) -> str | None:
    token = (token or "").strip()
    if not token:
        return None
    if _UNPRINTABLE.search(token) or not token.isascii():
        raise SourceError(
            "the git token contains a space, a line break or another character that is not valid in a token; "
            "set JOBS_GIT_TOKEN to the token alone",
            fault=SourceFault.ACCESS,
        )
    return token


def _refuse(url: str, why: str, instead: str = _ACCEPTED) -> NoReturn:
    shown = shown_address(url)
    quoted = "" if shown == UNREADABLE else f" {shown!r}"
    raise SourceError(f"the bundle address{quoted} {why}; {instead}", fault=SourceFault.ADDRESS, url=shown)
