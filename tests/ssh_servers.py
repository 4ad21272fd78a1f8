"""A real ssh server on loopback in its own process: it runs commands in a shell and serves as a bastion."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

SCRIPT = """
    import asyncio, sys
    import asyncssh

    async def run(process):
        if process.command == "vanish":
            process.close()
            return
        pipe = asyncio.subprocess.PIPE
        shell = await asyncio.create_subprocess_shell(process.command, stdout=pipe, stderr=pipe)
        async def pass_on(source, sink):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        await asyncio.gather(pass_on(shell.stdout, process.stdout), pass_on(shell.stderr, process.stderr))
        process.exit(await shell.wait())

    class Server(asyncssh.SSHServer):
        def connection_requested(self, host, port, *where):
            print("through", host, port, flush=True)
            return True

    async def main(folder, kind, host_kind):
        key = asyncssh.generate_private_key(kind)
        key.write_private_key(folder + "/id", "pkcs1-pem" if kind == "ssh-rsa" else "openssh")
        key.write_public_key(folder + "/id.pub")
        host_key = asyncssh.generate_private_key(host_kind)
        listener = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Server, server_host_keys=[host_key], encoding=None,
            authorized_client_keys=folder + "/id.pub", process_factory=run,
        )
        print(listener.get_port(), host_key.export_public_key().decode().strip(), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    asyncio.run(main(*sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True)
class ShellServer:
    """A running server, the key it takes, and its line for known_hosts."""

    port: int
    key: Path
    known_hosts: str
    process: subprocess.Popen[str]

    @property
    def key_b64(self) -> str:
        return base64.b64encode(self.key.read_bytes()).decode()

    def said(self) -> str:
        """Wait for the next line that the server prints: the way it opened as a bastion."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@contextmanager
def serve_shell(
    folder: Path, *, kind: str = "ssh-ed25519", host_kind: str = "ssh-ed25519"
) -> Iterator[ShellServer]:
    """Serve on a free port until the block ends; keys are made in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", dedent(SCRIPT), str(folder), kind, host_kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port, _, host_key = process.stdout.readline().strip().partition(" ")
        try:
            yield ShellServer(int(port), folder / "id", f"[127.0.0.1]:{port} {host_key}", process)
        finally:
            process.kill()
