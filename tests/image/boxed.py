"""An unpacked image as a running container: its own mounts and processes, its user, no privileges.

An engine would do the same. The network is the machine's.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import ROOT
from tests.image.workshop import Image

Mounts = Mapping[str, Path]


def service() -> dict[str, Any]:
    """Return the service of the compose file."""
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load((ROOT / "container/docker-compose.yml").read_text())
    found: dict[str, Any] = document["services"]["sauron"]
    return found


def filled(text: str, given: Mapping[str, str]) -> str:
    """Fill `${NAME:-default}` as compose does."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)


class Boxed(subprocess.Popen[bytes]):
    """A container of the compose file's service. Signals go to its first process, as an engine sends them.

    `given` are the variables of the operator: those that the compose file lists, and the others from `.env`.
    """

    def __init__(
        self,
        image: Image,
        folder: Path,
        given: Mapping[str, str],
        *,
        writable: Mounts,
        readable: Mounts,
        read_only: bool = False,
    ) -> None:
        self._image = image
        listed = {name: filled(text, given) for name, text in service()["environment"].items()}
        self._environ = {**image.environ, "HOME": "/home/sauron", **given, **listed}
        steps = self._mounts(writable, readable, read_only=read_only)
        inside = ["chroot", str(image.root), *self._as_user(image.argv)]
        script = "\n".join(["set -e", *map(shlex.join, steps), f"exec {shlex.join(inside)}"])
        with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
            super().__init__(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def _mounts(self, writable: Mounts, readable: Mounts, *, read_only: bool) -> list[list[str]]:
        root = str(self._image.root)
        steps = [
            ["mount", "--bind", root, root],
            ["mount", "-t", "proc", "proc", f"{root}/proc"],
            ["mount", "--rbind", "/dev", f"{root}/dev"],
        ]
        for line in service()["tmpfs"]:
            place, _, options = line.partition(":")
            steps.append(["mount", "-t", "tmpfs", "-o", options, "tmpfs", root + place])
        for place, folder in {**writable, **readable}.items():
            (self._image.root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
            steps.append(["mount", "--bind", str(folder), root + place])
        closed = [root + place for place in readable] + [root] * read_only
        return steps + [["mount", "-o", "remount,bind,ro", place] for place in closed]

    def _as_user(self, argv: Sequence[str]) -> list[str]:
        user = [f"--reuid={self._image.uid}", f"--regid={self._image.gid}", "--clear-groups"]
        closed = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]  # security_opt and cap_drop
        variables = [f"{name}={value}" for name, value in self._environ.items()]
        where = f"--chdir={self._image.workdir}"
        return ["/usr/bin/setpriv", *user, *closed, "/usr/bin/env", "-i", where, *variables, *argv]

    @property
    def first(self) -> int:
        """The pid, outside, of the container's process 1."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def send_signal(self, sig: int) -> None:
        os.kill(self.first, sig)

    def execute(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as `docker exec` does."""
        enter = ["nsenter", f"--target={self.first}", "--mount", "--pid", "--root"]
        return subprocess.run(
            [*enter, *self._as_user(argv)], capture_output=True, text=True, check=False, timeout=60
        )
