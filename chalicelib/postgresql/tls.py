"""How a PostgreSQL server is verified before it gets a password: the arguments of every connection.

- A root is known (SAURON_DB_CA, `sslrootcert`): `verify-full`. libpq then connects to a server with a
  certificate of that root for that host, or not at all.
- None is known and a host is public: TLS, and no proof of the password but SCRAM, which does not tell it to
  the server. Who stands in between may still read what is sent afterwards, so a warning says so.
- Otherwise (socket files, this machine, private networks) libpq's default: TLS if the server has it.

What the operator wrote in the address, or libpq's own variables (PGSSLMODE, PGREQUIREAUTH), is kept. The
roots of a setting are text and libpq reads files, so they are written to one, named by their digest, that
only this user may read. It is looked at before every connection and written again when it is gone.

Limit: an address with `service` is left to the operator's service file, unless SAURON_DB_CA is set.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import ssl
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from . import hosts

if TYPE_CHECKING:
    from sqlalchemy import URL

SYSTEM = "system"  # libpq's word for the roots that this system trusts
RDS = "rds"
# where systems keep them: libpq as Python packages bring it looks in a folder that is on no system
SYSTEM_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
RDS_BUNDLE = Path(__file__).with_name("rds-bundle.pem")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SCRAM_ALONE = (
    "Nothing verifies this server, so it gets a password by SCRAM alone: set SAURON_DB_CA to the root of its "
    "certificate, or name its method in the address: ?require_auth=md5"
)
_OF_A_POOLER = "Behind a proxy or pooler that shares sessions write ?prepare_threshold=0 behind the address"
_ADVICE = (
    (
        "does not support SSL",
        "If the way to this server is safe without TLS, write ?sslmode=disable behind the address",
    ),
    ("authentication method requirement", _SCRAM_ALONE),
    ("certificate verify failed", "SAURON_DB_CA must hold the root of this server's certificate"),
    ("does not match host name", "Write the host as its certificate names it"),
    ("command-line options", _OF_A_POOLER),  # RDS Proxy
    ("unsupported startup parameter", _OF_A_POOLER),  # PgBouncer
)


def roots(value: str, bundle: Path = RDS_BUNDLE) -> str:
    """Read a setting: return `system`, the file of RDS's roots, or the certificates in a text.

    Raises ValueError with what to write instead.
    """
    word = value.lower()
    if word == SYSTEM:
        return SYSTEM
    if word == RDS and not bundle.is_file():
        raise ValueError(
            f"Sauron does not ship the roots of Amazon RDS; save AWS's global-bundle.pem as {bundle}, "
            "or write the certificates themselves"
        )
    text = bundle.read_text("utf-8", errors="replace") if word == RDS else value.replace("\\n", "\n")
    found = "".join(f"{one}\n" for one in _CERTIFICATE.findall(text))
    if not _can_be_read(found):
        where = f"{bundle}: " if word == RDS else ""
        raise ValueError(
            f"{where}not a certificate; write -----BEGIN CERTIFICATE----- ..., {SYSTEM} or {RDS}, "
            "or name the file as SAURON_DB_CA_FILE"
        )
    return str(bundle) if word == RDS else found


def arguments(url: URL, ca: str | None, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the arguments that a connection to an address gets besides those in it.

    `ca` is what `roots` returned. Raises psycopg.OperationalError if its file cannot be written.
    """
    environ = os.environ if environ is None else environ
    wanted: dict[str, str] = {}
    if _left_to_service(url, ca, environ):
        return wanted
    mode = _written(url, environ, "sslmode")
    if mode is None and (ca or "sslrootcert" in url.query or hosts.public(url, environ)):
        mode = wanted["sslmode"] = "verify-full" if ca or _own_root(url, environ) else "require"
    if _verifies(mode, url, environ):
        root = _written(url, {}, "sslrootcert") or ca
        if root and ("sslrootcert" not in url.query or (root, mode) == (SYSTEM, "verify-full")):
            wanted["sslrootcert"] = _file_of(root, environ)
    elif _may_tell_password(url, environ) and not _written(url, environ, "require_auth"):
        wanted["require_auth"] = "scram-sha-256"
    return wanted


def unverified(url: URL, ca: str | None, environ: Mapping[str, str] | None = None) -> str | None:
    """Return what to write, if an address names a public host and nothing verifies it; else None."""
    environ = os.environ if environ is None else environ
    mode = _written(url, environ, "sslmode")
    known = bool(ca or _own_root(url, environ))
    verified = known if mode is None else _verifies(mode, url, environ)
    if verified or _left_to_service(url, ca, environ) or not hosts.public(url, environ):
        return None
    cures = [] if known else ["set SAURON_DB_CA to the root of its certificate"]
    return " and ".join([*cures, *(["write sslmode=verify-full in the address"] if mode else [])])


def advised(reason: str) -> str:
    """Return a fault of a connection with what to write, where that is known."""
    advice = next((advice for words, advice in _ADVICE if words in reason), None)
    return f"{reason.rstrip().rstrip('.')}. {advice}" if advice else reason


def _verifies(mode: str | None, url: URL, environ: Mapping[str, str]) -> bool:
    """Say whether libpq verifies the server's certificate: also under `require`, where it has a root."""
    return (mode or "").startswith("verify-") or (mode == "require" and _own_root(url, environ))


def _may_tell_password(url: URL, environ: Mapping[str, str]) -> bool:
    """Say whether a public host could ask for a password; a client's certificate may stand for it."""
    return bool(hosts.public(url, environ) and (url.password or not _written(url, environ, "sslcert")))


def _left_to_service(url: URL, ca: str | None, environ: Mapping[str, str]) -> bool:
    return ca is None and bool(_written(url, environ, "service"))


def _written(url: URL, environ: Mapping[str, str], name: str) -> str | None:
    """Return what the operator wrote for one of libpq's parameters."""
    value = url.query.get(name) or environ.get(f"PG{name.replace('_', '').upper()}") or None
    return value[-1] if isinstance(value, tuple) else value


def _own_root(url: URL, environ: Mapping[str, str]) -> bool:
    """Say whether libpq has a root without the setting: named, or at its usual place."""
    usual = Path(environ.get("HOME") or "/nonexistent", ".postgresql/root.crt")
    return bool(_written(url, environ, "sslrootcert")) or usual.is_file()


def _file_of(ca: str, environ: Mapping[str, str]) -> str:
    """Return the file of the roots; libpq's own word where this system's are not found."""
    if ca == SYSTEM:
        usual = (environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *SYSTEM_FILES)
        return next((file for file in usual if file and Path(file).is_file()), SYSTEM)
    if "-----BEGIN" not in ca:
        return ca
    data = ca.encode()
    name = f"sauron-{os.geteuid()}-db-ca-{hashlib.sha256(data).hexdigest()[:32]}.pem"
    path = Path(tempfile.gettempdir(), name)
    try:
        if not _holds(path, data):
            _write(path, data)
    except OSError as error:
        import psycopg

        raise psycopg.OperationalError(
            f"SAURON_DB_CA cannot be written as {path} ({error.strerror}); make the folder writable"
        ) from error
    return str(path)


def _holds(path: Path, data: bytes) -> bool:
    """Say whether a file is ours alone and holds just this."""
    with contextlib.suppress(FileNotFoundError):
        there = path.lstat()
        ours = there.st_uid == os.geteuid() and stat.S_ISREG(there.st_mode) and not there.st_mode & 0o077
        return ours and path.read_bytes() == data
    return False


def _write(path: Path, data: bytes) -> None:
    """Write a file that only this user may read; it has its name once it is whole."""
    descriptor, partial = tempfile.mkstemp(prefix=f"{path.stem}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(partial).replace(path)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise


def _can_be_read(certificates: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=certificates)
        return bool(certificates)
    return False
