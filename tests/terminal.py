"""A pseudo-terminal: what a person would have on the screen, for code that looks whether one is there."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parents[1]


class Terminal:
    """A terminal whose text a thread collects. `stream` writes to it; `text()` ends it."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self.stream: TextIO = os.fdopen(slave, "w", encoding="utf-8")
        self._read = b""
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        with contextlib.suppress(OSError):  # EIO: the last writer has closed it
            while part := os.read(self._master, 65536):
                self._read += part

    def text(self) -> str:
        """Close it and return all that was written to it, with ordinary line ends."""
        if not self.stream.closed:
            self.stream.close()
        self._reader.join(30)
        return self._read.decode(errors="replace").replace("\r\n", "\n")

    def close(self) -> None:
        """Give it back."""
        self.text()
        os.close(self._master)


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    """Open a terminal."""
    opened = Terminal()
    try:
        yield opened
    finally:
        opened.close()


def run_on_terminal(
    command: Sequence[str], *, environ: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> tuple[int, str]:
    """Run a command whose output and errors are a terminal; return its exit code and the screen."""
    with terminal() as screen:
        ended = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=screen.stream,
            stderr=screen.stream,
            env={**os.environ, "TERM": "xterm-256color", **(environ or {})},
            cwd=cwd,
            timeout=60,
            check=False,
        )
        return ended.returncode, screen.text()
