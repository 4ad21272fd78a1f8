"""Check the key of an ssh server against known_hosts, the format of which sshd(8) describes.

Plain and hashed names, `[host]:port`, patterns with `*`, `?` and `!`, comments and `@revoked` are read. Every
refusal says what to do about it. Limit: `@cert-authority` lines, and lines that cannot be read, are ignored.
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
from sauron_jobs_loader.named_file import content_of

VARIABLE = "SAURON_SSH_KNOWN_HOSTS"
DEFAULT_PORT = 22
MOST_BYTES = 16 << 20
_HASHED = "|1|"
_HASHED_PARTS = 4
_LEAST_FIELDS = 3


class HostKeyError(LoaderError):
    """The key of the server differs from the known one, or no key is known."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line: the names of hosts, their key, and whether it is revoked."""

    names: str
    kind: str
    blob: bytes
    revoked: bool

    def is_for(self, name: str) -> bool:
        """Return whether the line is about a host."""
        if self.names.startswith(_HASHED):
            return _hash_fits(self.names, name)
        patterns = self.names.lower().split(",")
        if any(pattern.startswith("!") and _fits(pattern[1:], name) for pattern in patterns):
            return False
        return any(_fits(pattern, name) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """The known keys, and the place where a new one is added."""

    keys: tuple[KnownKey, ...]
    place: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> KnownHosts:
        """Read SAURON_SSH_KNOWN_HOSTS (lines or a file) and ~/.ssh/known_hosts. Raises HostKeyError."""
        given = environ.get(VARIABLE, "").strip()
        texts = [text_of(given)] if given else []
        place = given if given and not is_inline(given) else VARIABLE
        # the file may be missing, and so may the home of the account
        with contextlib.suppress(OSError, RuntimeError):
            texts.append(_text_in("~/.ssh/known_hosts"))
        return cls(tuple(parsed(line for text in texts for line in text.splitlines())), place)

    def kinds(self, name: str) -> list[str]:
        """Return the kinds of the known keys of a host, in the order of their lines."""
        return list(dict.fromkeys(key.kind for key in self.keys if not key.revoked and key.is_for(name)))

    def check(self, name: str, kind: str, blob: bytes) -> None:
        """Check a key that a host shows. Raises HostKeyError with what to do if it is not the known one."""
        about = [key for key in self.keys if key.is_for(name)]
        if any(key.revoked and key.blob == blob for key in about):
            raise HostKeyError(
                f"the host key of {name} ({fingerprint(blob)}) is marked @revoked in {self.place}: "
                "do not connect"
            )
        known = [key for key in about if not key.revoked]
        if any(key.kind == kind and key.blob == blob for key in known):
            return
        line = f"{name} {kind} {base64.b64encode(blob).decode()}"
        if same_kind := [key for key in known if key.kind == kind]:
            raise HostKeyError(
                f"WARNING: the host key of {name} has CHANGED from {fingerprint(same_kind[0].blob)} to "
                f"{fingerprint(blob)} ({kind}). The connection may be intercepted. "
                "Only if the machine was installed "
                f"again: verify the new key, then replace the old line in {self.place} by this one:\n{line}"
            )
        if known:
            kinds = ", ".join(dict.fromkeys(key.kind for key in known))
            raise HostKeyError(
                f"the host key of {name} is of the kind {kind} ({fingerprint(blob)}), "
                f"and only {kinds} is known. "
                f"Verify the key, then add this line to {self.place}:\n{line}"
            )
        raise HostKeyError(
            f"the host key of {name} is not found in known_hosts ({kind}, {fingerprint(blob)}). "
            "Verify the key, "
            f"then add this line to {self.place}:\n{line}"
        )


def is_inline(text: str) -> bool:
    """Return whether a setting holds known_hosts lines. Otherwise it is the path of a file."""
    return "\n" in text or re.search(r"[ \t](ssh-|ecdsa-|sk-)", text) is not None


def text_of(given: str) -> str:
    """Return the known_hosts lines that a setting holds, or those of the file that it names.

    Raises HostKeyError.
    """
    if is_inline(given):
        return given
    try:
        return _text_in(given)
    except OSError as error:
        reason = error.strerror or error
        raise HostKeyError(f"{VARIABLE} names the file {given}, which cannot be read: {reason}.") from error


def _text_in(file: str) -> str:
    return content_of(Path(file).expanduser(), most=MOST_BYTES).decode("utf-8", "replace")


def host_name(host: str, port: int) -> str:
    """Return the name of a host as known_hosts writes it."""
    return host.lower() if port == DEFAULT_PORT else f"[{host.lower()}]:{port}"


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint of a public key as ssh-keygen shows it."""
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
    """Match a pattern in which only `*` and `?` are special."""
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
