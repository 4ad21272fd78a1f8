"""Whether the key that an ssh server shows is the one that is known: known_hosts as sshd(8) describes it.

Plain and hashed names, `[host]:port`, patterns with `*`, `?` and `!`, comments and `@revoked` are read. Every
refusal says what to do about it. Limit: `@cert-authority` lines are passed over; a line that cannot be read
knows nobody.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sauron_jobs_loader.errors import LoaderError

VARIABLE = "SAURON_SSH_KNOWN_HOSTS"
DEFAULT_PORT = 22
_HASHED = "|1|"
_HASHED_PARTS = 4
_LEAST_FIELDS = 3


class HostKeyError(LoaderError):
    """The server's key is not the known one, or none is known."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line: for whom, which key, and whether it is revoked."""

    names: str
    kind: str
    blob: bytes
    revoked: bool

    def is_for(self, name: str) -> bool:
        """Return whether the line speaks of a host."""
        if self.names.startswith(_HASHED):
            return _hash_fits(self.names, name)
        patterns = self.names.lower().split(",")
        if any(pattern.startswith("!") and _fits(pattern[1:], name) for pattern in patterns):
            return False
        return any(_fits(pattern, name) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """The keys that are known, and where a new one is to be written."""

    keys: tuple[KnownKey, ...]
    place: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> KnownHosts:
        """Read the lines, or the file, that SAURON_SSH_KNOWN_HOSTS holds, and ~/.ssh/known_hosts. Raises HostKeyError."""
        given = environ.get(VARIABLE, "").strip()
        texts = [text_of(given)] if given else []
        place = given if given and not is_inline(given) else VARIABLE
        # there need be none, and an account may have no home
        with contextlib.suppress(OSError, RuntimeError):
            texts.append(
                Path("~/.ssh/known_hosts").expanduser().read_text(encoding="utf-8", errors="replace")
            )
        return cls(tuple(parsed(line for text in texts for line in text.splitlines())), place)

    def kinds(self, name: str) -> list[str]:
        """Return the kinds of the keys that are known of a host, in the order of their lines."""
        return list(dict.fromkeys(key.kind for key in self.keys if not key.revoked and key.is_for(name)))

    def check(self, name: str, kind: str, blob: bytes) -> None:
        """Return if this is the known key of a host. Raises HostKeyError with what to do."""
        about = [key for key in self.keys if key.is_for(name)]
        if any(key.revoked and key.blob == blob for key in about):
            raise HostKeyError(
                f"the host key of {name} ({fingerprint(blob)}) is marked @revoked in {self.place}: do not connect."
            )
        known = [key for key in about if not key.revoked]
        if any(key.kind == kind and key.blob == blob for key in known):
            return
        line = f"{name} {kind} {base64.b64encode(blob).decode()}"
        if same_kind := [key for key in known if key.kind == kind]:
            raise HostKeyError(
                f"WARNING: the host key of {name} has CHANGED. Known is {fingerprint(same_kind[0].blob)}, the server shows "
                f"{fingerprint(blob)} ({kind}). Somebody may be between you and it. Only if the machine was set up anew: after "
                f"checking it, replace the old line in {self.place} by this one:\n{line}"
            )
        if known:
            kinds = ", ".join(dict.fromkeys(key.kind for key in known))
            raise HostKeyError(
                f"the server {name} shows a key of another kind ({kind}, {fingerprint(blob)}) than is known of it ({kinds}). "
                f"After checking it, add this line to {self.place}:\n{line}"
            )
        raise HostKeyError(
            f"the host key of {name} is not found in known_hosts ({kind}, {fingerprint(blob)}). After checking it, "
            f"add this line to {self.place}:\n{line}"
        )


def is_inline(text: str) -> bool:
    """Return whether a setting is known_hosts lines rather than a file's path."""
    return "\n" in text or re.search(r"[ \t](ssh-|ecdsa-|sk-)", text) is not None


def text_of(given: str) -> str:
    """Return the known_hosts lines that a setting holds, or those of the file that it names. Raises HostKeyError."""
    if is_inline(given):
        return given
    try:
        return Path(given).expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        reason = error.strerror or error
        raise HostKeyError(f"{VARIABLE} names the file {given}, which cannot be read: {reason}.") from error


def host_name(host: str, port: int) -> str:
    """Write a host as known_hosts does."""
    return host.lower() if port == DEFAULT_PORT else f"[{host.lower()}]:{port}"


def fingerprint(blob: bytes) -> str:
    """Show a public key as ssh-keygen does."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def parsed(lines: Iterable[str]) -> Iterator[KnownKey]:
    """Read known_hosts lines."""
    for line in lines:
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else None
        if len(fields) < _LEAST_FIELDS or marker not in (None, "@revoked"):
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        yield KnownKey(fields[0], fields[1], blob, marker is not None)


def _fits(pattern: str, name: str) -> bool:
    """Match `*` and `?`, and nothing else: brackets stand for themselves here."""
    words = "".join(
        ".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in pattern
    )
    return re.fullmatch(words, name) is not None


def _hash_fits(hashed: str, name: str) -> bool:
    parts = hashed.split("|")
    try:
        salt, expected = (base64.b64decode(part, validate=True) for part in parts[2:_HASHED_PARTS])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), "sha1").digest(), expected)
