"""Peers that are programs of Debian: busybox's crond, and the Redis that Celery and RQ need.

`apt-get download` and `dpkg -x` put them below `.bench-peers`; nothing is installed. Where that cannot be
done, a program of that name on the PATH is taken, and without one the rows say that it is missing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.installed_peers import FOLDER

DEBS = FOLDER.with_name(".bench-debian")
PACKAGES = (
    *("busybox-static", "redis-server", "redis-tools", "liblua5.1-0", "libjemalloc2", "liblzf1"),
    *("libatomic1", "libhiredis0.14", "lua-cjson", "lua-bitop"),
)
BUSYBOX, REDIS = Path("bin/busybox"), Path("usr/bin/redis-server")


@functools.cache
def _unpacked() -> Path:
    root = DEBS / "root"
    if not (DEBS / ".unpacked").exists():
        sys.stderr.write(f"Unpacking busybox and Redis of Debian into {DEBS}\n")
        DEBS.mkdir(exist_ok=True)
        command = ["apt-get", "download", "-qq", *PACKAGES]
        with contextlib.suppress(OSError, subprocess.SubprocessError):  # no apt-get, or no network
            subprocess.run(command, cwd=DEBS, check=False, timeout=120, stderr=subprocess.DEVNULL)
        for package in sorted(DEBS.glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(root)], check=True, timeout=60)
        if (root / BUSYBOX).exists() and (root / REDIS).exists():
            (DEBS / ".unpacked").touch()
    return root


def program(path: Path) -> str:
    """Return where a program is; an error says how to get it."""
    found = _unpacked() / path
    place = str(found) if found.exists() else shutil.which(path.name)
    if place is None:
        raise FileNotFoundError(
            f"{path.name} is not here and apt-get cannot download it: install {path.name}"
        )
    return place


def _environment() -> dict[str, str]:
    libraries = sorted({str(one.parent) for one in (_unpacked() / "usr/lib").glob("*/lib*.so*")})
    return os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)}


def version(path: Path) -> str:
    """Return the version of a program as it says it, or why it is not known."""
    try:
        answer = subprocess.run(
            [program(path), *(["--version"] if path == REDIS else [])],
            check=False,
            capture_output=True,
            text=True,
            env=_environment(),
            timeout=20,
        )
    except OSError as error:
        return f"{path.name}: {error}"
    first = answer.stdout.partition("\n")[0]
    return " ".join(first.replace("v=", "").split()[:3] if path == REDIS else first.split()[:2])


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis on a free port of the loopback; it writes nothing to the disk. Yields its URL."""
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [program(REDIS), *("--bind", "127.0.0.1", "--port", str(port), "--dir", folder)]
        command += ["--save", "", "--appendonly", "no"]
        process = subprocess.Popen(command, env=_environment(), stdout=subprocess.DEVNULL)
        try:
            _listening(process, port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"redis-server does not listen (exit code {process.poll()})")
