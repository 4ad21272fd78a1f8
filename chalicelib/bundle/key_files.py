"""The files that ssh reads for the bundle's repository: the private key, and the hosts that are known.

A setting that holds the text itself is written to a private folder, which `close` removes.
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from chalicelib.settings import Settings
from sauron_jobs_loader.toolkit import known_hosts


class KeyFiles:
    """The files of the key and the known hosts that settings name or hold. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._writing = threading.Lock()

    def key(self) -> Path | None:
        """Return the file with the private key, or None if no setting names one."""
        if self._settings.ssh_key_path is not None:
            return Path(self._settings.ssh_key_path)
        content: bytes | None = self._settings.ssh_private_key_b64
        return None if content is None else self._written("key", content.rstrip() + b"\n")

    def known_hosts(self) -> Path | None:
        """Return the file with the known hosts, or None if the setting is not set."""
        text: str | None = self._settings.ssh_known_hosts
        if text is None:
            return None
        return (
            self._written("known_hosts", text.encode() + b"\n") if known_hosts.is_inline(text) else Path(text)
        )

    def close(self) -> None:
        """Remove the files that were written."""
        if self._folder is not None:
            self._folder.cleanup()

    def _written(self, name: str, content: bytes) -> Path:
        with self._writing:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="sauron-")
            file = Path(self._folder.name) / name
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                stream.write(content)
            return file
