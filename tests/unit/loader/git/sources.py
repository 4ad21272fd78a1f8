"""The helpers of the tests that read a bundle from git."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sauron_jobs_loader.git.source import GitSource
from sauron_jobs_loader.git.without_git.source import DulwichSource
from tests.git_servers import BundleRepository, command_lines

Kind = type[GitSource] | type[DulwichSource]
TOKEN = "ghp_s3cret/token+1"
PROJECT = Path(__file__).resolve().parents[4]
SYNC = """
import sys
from pathlib import Path
from sauron_jobs_loader.git.without_git.source import DulwichSource
from sauron_jobs_loader.git.source import GitSource
kind = {"GitSource": GitSource, "DulwichSource": DulwichSource}[sys.argv[3]]
source = kind(sys.argv[1], root=Path(sys.argv[2]))
print("ready", flush=True)
print(source.checkout(source.fetch()), flush=True)
"""


def source_of(
    bundle: BundleRepository, root: Path, kind: Kind = GitSource, branch: str = "main"
) -> GitSource | DulwichSource:
    return kind(str(bundle.path), root=root, branch=branch)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def until(fact: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)


def processes_with(text: str) -> list[str]:
    return [line for pid, line in command_lines().items() if text in line and pid != os.getpid()]


def start_sync(url: str, root: Path, kind: Kind = GitSource) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SYNC, url, str(root), kind.__name__],
        env={"PYTHONPATH": str(PROJECT), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
