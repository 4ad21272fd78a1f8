"""Real git servers on loopback: smart http(s) with a token, ssh with a key, and a git that logs its calls."""

from __future__ import annotations

import asyncio
import base64
import os
import shlex
import shutil
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    import asyncssh

_AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.test",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05+00:00",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.test",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(*arguments: str, cwd: Path, **environ: str) -> str:
    """Run git as a person would and return what it printed."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **_AUTHOR, **environ},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class BundleRepository:
    """A repository with a working tree, as the author of a bundle has one."""

    path: Path

    @classmethod
    def create(cls, path: Path, branch: str = "main") -> BundleRepository:
        path.mkdir(parents=True)
        git("init", "--quiet", "--initial-branch", branch, cwd=path)
        return cls(path)

    def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "a change") -> str:
        """Write `files`, commit everything there is, and return the commit id."""
        for name, content in (files or {}).items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        git("add", "--all", "--force", cwd=self.path)
        git("commit", "--quiet", "--allow-empty", "--message", message, cwd=self.path)
        return self.head()

    def link(self, name: str, target: str) -> None:
        link = self.path / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def head(self) -> str:
        return git("rev-parse", "HEAD", cwd=self.path)

    def git(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.path)


@dataclass(slots=True)
class GitHttpServer:
    """What a test knows of a running server, and how it makes it behave."""

    root: Path
    token: str | None
    user: str = "x-access-token"
    url: str = ""
    stalls: bool = False  # read the request, then say nothing
    redirect_to: str | None = None
    sign_in: str | None = None  # where every request is sent first
    status: int | None = None  # instead of a response
    renamed: dict[str, str] = field(default_factory=dict)  # parts of paths and what they are called now
    answered: list[int] = field(default_factory=list)
    credentials: set[str | None] = field(default_factory=set)  # what the Authorization headers held
    command_lines: set[str] = field(default_factory=set)  # the process list during every request
    seen: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def allows(self, header: str | None) -> bool:
        if self.token is None:
            return True
        expected = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        return header == f"Basic {expected}"


@contextmanager
def serve_http(
    root: Path, *, token: str | None = None, tls: tuple[Path, Path] | None = None
) -> Iterator[GitHttpServer]:
    """Serve the repositories below `root` by `git http-backend` on a free port of 127.0.0.1."""
    state = GitHttpServer(root, token)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_GitHandler,), {"state": state}))
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.socket.settimeout(1)  # a client that has gone before it is accepted holds up nothing
    state.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _GitHandler(BaseHTTPRequestHandler):
    state: GitHttpServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Stay silent."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.state.command_lines.update(command_lines().values())
        self.state.credentials.add(self.headers.get("Authorization"))
        self.state.seen.set()
        if self.state.stalls:
            self.state.released.wait(60)
            self.close_connection = True
            return
        body = self._body()
        if self.state.status is not None:
            self._answer(self.state.status, {"Content-Type": "text/html"}, b"<p>no</p>")
        elif self.state.sign_in is not None and "/info/refs" in self.path:
            self._answer(302, {"Location": self.state.sign_in})
        elif self.state.sign_in is not None:
            self._answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<h1>Sign in</h1>\n" * 9)
        elif self.state.redirect_to is not None:
            self._answer(302, {"Location": self.state.redirect_to + self.path})
        elif known := [old for old in self.state.renamed if old in self.path]:
            self._answer(301, {"Location": self.path.replace(known[0], self.state.renamed[known[0]])})
        elif not self.state.allows(self.headers.get("Authorization")):
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._backend(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _backend(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.state.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant",
            "GIT_CONFIG_VALUE_0": "false",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environ, input=body, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        status = int(headers.pop("Status", "200 OK").split()[0])
        self._answer(status, headers, content)

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
        self.state.answered.append(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 and its key; return both files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "server.crt", folder / "server.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


@dataclass(frozen=True, slots=True)
class GitSshServer:
    """A running ssh server that lets one key run `git-upload-pack` below `root`."""

    port: int
    client_key: Path
    known_hosts: Path  # the line that a careful person would have added

    def url(self, repository: Path) -> str:
        return f"ssh://git@127.0.0.1:{self.port}{repository}"


@contextmanager
def serve_ssh(folder: Path) -> Iterator[GitSshServer]:
    """Serve git over ssh on a free port of 127.0.0.1, with keys in `folder`, whose name may have spaces."""
    import asyncssh

    folder.mkdir(parents=True)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    client_key = asyncssh.generate_private_key("ssh-ed25519")
    key_file = folder / "deploy key"
    key_file.write_bytes(client_key.export_private_key())
    key_file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    authorized = asyncssh.import_authorized_keys(client_key.export_public_key().decode())
    loop = asyncio.new_event_loop()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=authorized,
            process_factory=_upload_pack,
            encoding=None,
        )

    acceptor = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    known_hosts = folder / "known hosts"
    public = host_key.export_public_key().decode().strip()
    known_hosts.write_text(f"[127.0.0.1]:{acceptor.get_port()} {public}\n")
    try:
        yield GitSshServer(acceptor.get_port(), key_file, known_hosts)
    finally:
        asyncio.run_coroutine_threadsafe(_close(acceptor), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _close(acceptor: asyncssh.SSHAcceptor) -> None:
    acceptor.close()
    await acceptor.wait_closed()


async def _upload_pack(process: asyncssh.SSHServerProcess[bytes]) -> None:
    words = shlex.split(process.command or "")
    if len(words) != 2 or words[0] != "git-upload-pack":
        process.stderr.write(b"only git-upload-pack\n")
        process.exit(1)
        return
    child = await asyncio.create_subprocess_exec(
        *("git", "upload-pack", words[1]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    assert child.stdin is not None
    asking = asyncio.ensure_future(_pump(process.stdin, child.stdin))
    await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
    asking.cancel()
    with suppress(asyncio.CancelledError, OSError):
        await asking
    process.exit(await child.wait())


async def _pump(source: Any, sink: Any) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    if isinstance(sink, asyncio.StreamWriter):
        sink.close()


def command_lines() -> dict[int, str]:
    """Return what the process list shows right now, by process id."""
    shown = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            shown[int(folder.name)] = (
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
    return shown


def write_diary_git(folder: Path) -> Path:
    """Put a `git` into `folder` that notes its arguments, and return the file of notes."""
    folder.mkdir(parents=True)
    notes = folder / "notes"
    script = folder / "git"
    script.write_text(
        f'#!/bin/sh\nprintf \'%s\\n\' "$*" >> {shlex.quote(str(notes))}\nexec {shutil.which("git")} "$@"\n'
    )
    script.chmod(0o755)
    notes.touch()
    return notes
