"""Servers with certificates made here: TLS before a real PostgreSQL, and impostors that want a password."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 1, 1, tzinfo=UTC)
SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
CLEAR_TEXT = b"R" + struct.pack("!II", 8, 3)


@dataclass(frozen=True)
class Authority:
    """A root that signs certificates; `pem` is its own certificate."""

    key: ec.EllipticCurvePrivateKey
    root: x509.Certificate

    @classmethod
    def make(cls, name: str = "Test Root") -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        extension = x509.BasicConstraints(ca=True, path_length=None)
        built = _certificate(subject, subject, key.public_key()).add_extension(extension, critical=True)
        return cls(key, built.sign(key, hashes.SHA256()))

    @property
    def pem(self) -> str:
        return self.root.public_bytes(serialization.Encoding.PEM).decode()

    def context(self, folder: Path, *names: str, until: datetime = UNTIL) -> ssl.SSLContext:
        """Return a server's side of TLS with a certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        others = x509.SubjectAlternativeName(
            [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        )
        built = _certificate(subject, self.root.subject, key.public_key(), until).add_extension(
            others, critical=False
        )
        signed = built.sign(self.key, hashes.SHA256())
        file = folder / f"server-{signed.serial_number}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime = UNTIL
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(SINCE)
        .not_valid_after(until)
    )


class Door:
    """A port of this machine on which each connection is served by a thread; `heard` is what was read."""

    def __init__(self, serve: Callable[[Door, socket.socket], None]) -> None:
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.heard = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # ends the wait for the next connection
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._listening.accept()
                threading.Thread(target=self._served, args=(taken,), daemon=True).start()

    def _served(self, taken: socket.socket) -> None:
        taken.settimeout(20)
        with taken, contextlib.suppress(OSError, struct.error):
            self._serve(self, taken)


def impostor(context: ssl.SSLContext | None) -> Door:
    """A PostgreSQL that asks for the password in clear text; without a context it has no TLS."""

    def serve(door: Door, wire: socket.socket) -> None:
        wire, startup = _begun(wire, context)
        with wire:
            door.heard += startup
            wire.sendall(CLEAR_TEXT)
            door.heard += wire.recv(4096)

    return Door(serve)


def tls_before(socket_file: Path, context: ssl.SSLContext | None) -> Door:
    """TLS before a PostgreSQL that listens on a socket file; without a context it has no TLS."""

    def serve(_door: Door, wire: socket.socket) -> None:
        wire, startup = _begun(wire, context)
        with wire, socket.socket(socket.AF_UNIX) as behind:
            behind.connect(str(socket_file))
            behind.sendall(startup)
            _copy(wire, behind)

    return Door(serve)


def https(context: ssl.SSLContext) -> Door:
    """An HTTPS server that says yes to everything."""

    def serve(door: Door, wire: socket.socket) -> None:
        with context.wrap_socket(wire, server_side=True) as inside:
            door.heard += _request(inside)
            inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    return Door(serve)


def _request(wire: socket.socket) -> bytes:
    """Read a whole request: one that is answered before its end breaks the connection."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        if not (more := wire.recv(65536)):
            return heard
        heard += more
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", heard)
    end = heard.index(b"\r\n\r\n") + 4 + int(length[1] if length else 0)
    return heard + _exactly(wire, max(0, end - len(heard)))


def _begun(wire: socket.socket, context: ssl.SSLContext | None) -> tuple[socket.socket, bytes]:
    """Agree on TLS as PostgreSQL does and return the connection with the client's startup message."""
    with contextlib.ExitStack() as if_it_fails:
        while True:
            head = _exactly(wire, 8)
            length, code = struct.unpack("!II", head)
            if code == SSL_REQUEST and context is not None:
                wire.sendall(b"S")
                wire = if_it_fails.enter_context(context.wrap_socket(wire, server_side=True))
            elif code in (SSL_REQUEST, GSS_REQUEST):
                wire.sendall(b"N")
            else:
                startup = head + _exactly(wire, length - 8)
                if_it_fails.pop_all()
                return wire, startup


def _exactly(wire: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        if not (more := wire.recv(count - len(found))):
            raise OSError("closed")
        found += more
    return found


def _copy(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until a side closes."""
    while True:
        pending = isinstance(one, ssl.SSLSocket) and one.pending()
        ready = [one] if pending else select.select([one, other], [], [])[0]
        for wire in ready:
            if not (data := wire.recv(65536)):
                return
            (other if wire is one else one).sendall(data)
